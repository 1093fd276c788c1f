// Two people keep notes. Neither sees the other's, until one is shared.
//
// Reads API_URL, ANON_KEY and SERVICE_ROLE_KEY (`plinth status DIR -o env` prints them).
// One line for each fact; ends with 0 when all hold, else with 1.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

const { API_URL, ANON_KEY, SERVICE_ROLE_KEY } = process.env;
if (!API_URL || !ANON_KEY || !SERVICE_ROLE_KEY) {
  console.error('API_URL, ANON_KEY and SERVICE_ROLE_KEY must be set; try `plinth status DIR -o env`.');
  process.exit(1);
}

const connect = (key) =>
  createClient(API_URL, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    // Node has a WebSocket of its own only from version 22 on.
    realtime: { transport: WebSocket },
  });

/** The data of an answer that must have succeeded. */
function ok({ data, error }) {
  if (error) throw new Error(`${error.code ?? error.name}: ${error.message}`);
  return data;
}

/** A client signed in as a new person. */
async function signUp(name) {
  const client = connect(ANON_KEY);
  const email = `${name}-${randomUUID()}@example.com`;
  const password = `password of ${name}`;
  const { user, session } = ok(await client.auth.signUp({ email, password, options: { data: { name } } }));
  assert.ok(session, 'signing up gives a session');
  return { client, email, password, id: user.id };
}

let failed = 0;
async function fact(sentence, check) {
  try {
    await check();
    console.log(`ok      ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${sentence}\n        ${String(error.message).replaceAll('\n', '\n        ')}`);
  }
}

const anonymous = connect(ANON_KEY);
const service = connect(SERVICE_ROLE_KEY);
const ann = await signUp('ann');
const bob = await signUp('bob');
const titles = (rows) => rows.map((row) => row.title);
let shopping;

await fact('a person writes notes and gets them back', async () => {
  const rows = ok(
    await ann.client
      .from('notes')
      .insert(
        [
          { title: 'Shopping', body: 'Bread', tags: ['home', 'errands'] },
          { title: 'Ideas', body: 'A boat, "perhaps"', tags: ['home'], pinned: true },
          { title: 'Zebra', body: '' },
        ],
        // What a row leaves out takes the column's default rather than null.
        { defaultToNull: false },
      )
      .select(),
  );
  assert.deepEqual(titles(rows), ['Shopping', 'Ideas', 'Zebra']);
  assert.deepEqual(rows[0].tags, ['home', 'errands']);
  assert.equal(rows[0].owner, ann.id);
  assert.equal(rows[1].pinned, true);
  assert.match(rows[0].created_at, /^\d{4}-\d\d-\d\dT/);
  shopping = rows[0].id;
  ok(await bob.client.from('notes').insert({ title: 'Secret of Bob' }));
});

await fact('neither sees the other’s notes', async () => {
  assert.deepEqual(titles(ok(await ann.client.from('notes').select().order('id'))), ['Shopping', 'Ideas', 'Zebra']);
  assert.deepEqual(titles(ok(await bob.client.from('notes').select())), ['Secret of Bob']);
});

await fact('someone who is not signed in sees nothing', async () => {
  const { data, error } = await anonymous.from('notes').select();
  assert.equal(data, null);
  assert.equal(error.code, '42501');
});

await fact('changing and deleting what is not yours does nothing', async () => {
  assert.deepEqual(ok(await bob.client.from('notes').update({ title: 'Taken' }).eq('id', shopping).select()), []);
  assert.deepEqual(ok(await bob.client.from('notes').delete().eq('id', shopping).select()), []);
  assert.equal(ok(await ann.client.from('notes').select('title').eq('id', shopping).single()).title, 'Shopping');
});

await fact('a note in somebody else’s name is refused', async () => {
  const { error, status } = await bob.client.from('notes').insert({ title: 'Forged', owner: ann.id });
  assert.equal(error.code, '42501');
  assert.equal(status, 403);
  assert.match(error.message, /row-level security policy/);
});

await fact('a note cannot be shared by someone who does not own it', async () => {
  const { error } = await bob.client.from('note_shares').insert({ note_id: shopping, person: bob.id });
  assert.equal(error.code, '42501');
});

await fact('a shared note is read, and only read, by whom it was shared with', async () => {
  ok(await ann.client.from('note_shares').insert({ note_id: shopping, person: bob.id }));
  assert.deepEqual(titles(ok(await bob.client.from('notes').select().order('title'))), ['Secret of Bob', 'Shopping']);
  assert.deepEqual(ok(await bob.client.from('notes').update({ title: 'Taken' }).eq('id', shopping).select()), []);
});

await fact('embedding follows the foreign key, under the policies of both tables', async () => {
  const query = 'title, note_shares(person)';
  const forAnn = ok(await ann.client.from('notes').select(query).order('title'));
  assert.deepEqual(forAnn, [
    { title: 'Ideas', note_shares: [] },
    { title: 'Shopping', note_shares: [{ person: bob.id }] },
    { title: 'Zebra', note_shares: [] },
  ]);
  const shares = ok(await bob.client.from('note_shares').select('person, notes!inner(title)'));
  assert.deepEqual(shares, [{ person: bob.id, notes: { title: 'Shopping' } }]);
});

await fact('a withdrawn share hides the note again', async () => {
  ok(await ann.client.from('note_shares').delete().eq('note_id', shopping));
  assert.deepEqual(titles(ok(await bob.client.from('notes').select())), ['Secret of Bob']);
});

await fact('filters, order and pages', async () => {
  const notes = () => ann.client.from('notes').select('title');
  assert.deepEqual(titles(ok(await notes().eq('pinned', true))), ['Ideas']);
  assert.deepEqual(titles(ok(await notes().contains('tags', ['home']).order('title'))), ['Ideas', 'Shopping']);
  assert.deepEqual(titles(ok(await notes().ilike('body', '%BOAT%'))), ['Ideas']);
  assert.deepEqual(titles(ok(await notes().or('title.eq.Zebra,pinned.is.true').order('title'))), ['Ideas', 'Zebra']);
  assert.deepEqual(titles(ok(await notes().in('title', ['Zebra', 'Shopping', 'No, not (this)']).order('title'))), ['Shopping', 'Zebra']);
  assert.deepEqual(titles(ok(await notes().not('title', 'eq', 'Zebra').order('title', { ascending: false }))), ['Shopping', 'Ideas']);
  assert.deepEqual(titles(ok(await notes().order('title').range(1, 1))), ['Shopping']);
});

await fact('counting, with and without rows', async () => {
  const counted = await ann.client.from('notes').select('title', { count: 'exact' }).order('title').limit(1);
  assert.deepEqual([titles(ok(counted)), counted.count], [['Ideas'], 3]);
  const head = await ann.client.from('notes').select('*', { count: 'exact', head: true });
  assert.deepEqual([head.error, head.count], [null, 3]);
});

await fact('one row, none, or too many', async () => {
  const notes = () => ann.client.from('notes').select('title');
  assert.deepEqual(ok(await notes().eq('id', shopping).single()), { title: 'Shopping' });
  assert.equal(ok(await notes().eq('title', 'No such note').maybeSingle()), null);
  const { error, status } = await notes().single();
  assert.deepEqual([error.code, status], ['PGRST116', 406]);
});

await fact('a change answers the row it changed', async () => {
  const changed = ok(await ann.client.from('notes').update({ body: 'Bread, tea' }).eq('id', shopping).select('id, body').single());
  assert.deepEqual(changed, { id: shopping, body: 'Bread, tea' });
});

await fact('an upsert inserts once and updates after that', async () => {
  const share = { note_id: shopping, person: bob.id };
  assert.deepEqual(ok(await ann.client.from('note_shares').upsert(share).select()), [share]);
  assert.deepEqual(ok(await ann.client.from('note_shares').upsert(share).select()), [share]);
  const count = await ann.client.from('note_shares').select('*', { count: 'exact', head: true });
  assert.equal(count.count, 1);
});

await fact('a view obeys the policies of whoever asks', async () => {
  const overview = ok(await bob.client.from('note_overview').select('title, mine, tag_count').order('title'));
  assert.deepEqual(overview, [
    { title: 'Secret of Bob', mine: true, tag_count: 0 },
    { title: 'Shopping', mine: false, tag_count: 2 },
  ]);
});

await fact('a function is called by name', async () => {
  assert.equal(ok(await ann.client.rpc('count_tagged', { tag: 'home' })), 2);
  assert.equal(ok(await bob.client.rpc('count_tagged', { tag: 'home' })), 0);
});

await fact('mistakes have codes that programs can read', async () => {
  const column = await ann.client.from('notes').select('titel');
  assert.equal(column.error.code, '42703');
  const table = await ann.client.from('note').select();
  assert.equal(table.error.code, 'PGRST205');
  const check = await ann.client.from('notes').insert({ title: '' });
  assert.equal(check.error.code, '23514');
  const type = await ann.client.from('notes').select().eq('id', 'one');
  assert.equal(type.error.code, '22P02');
});

await fact('signing in again, renewing and signing out', async () => {
  const again = connect(ANON_KEY);
  const wrong = await again.auth.signInWithPassword({ email: ann.email, password: 'not it' });
  assert.equal(wrong.error.code, 'invalid_credentials');
  const { session } = ok(await again.auth.signInWithPassword({ email: ann.email, password: ann.password }));
  assert.equal(ok(await again.from('notes').select()).length, 3);
  const renewed = ok(await again.auth.refreshSession());
  assert.notEqual(renewed.session.refresh_token, session.refresh_token);
  assert.equal(ok(await again.auth.getUser()).user.user_metadata.name, 'ann');
  ok(await again.auth.signOut());
  assert.equal((await again.from('notes').select()).error.code, '42501');
});

await fact('the service key sees everything', async () => {
  const rows = ok(await service.from('notes').select('title').in('owner', [ann.id, bob.id]).order('title'));
  assert.deepEqual(titles(rows), ['Ideas', 'Secret of Bob', 'Shopping', 'Zebra']);
});

await fact('a deleted note takes its shares with it', async () => {
  assert.equal(ok(await ann.client.from('notes').delete().eq('id', shopping).select('id')).length, 1);
  assert.deepEqual(ok(await service.from('note_shares').select().eq('note_id', shopping)), []);
});

console.log(failed === 0 ? 'all facts hold' : `${failed} facts do not hold`);
process.exit(failed === 0 ? 0 : 1);
