// The life of an account: a letter to confirm, a link, a code, a forgotten password, a new address, an invitation.
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

/** What a browser's storage is to the client. */
function memory() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

const connect = (key, flowType = 'implicit') =>
  createClient(API_URL, key, {
    auth: { flowType, storage: memory(), autoRefreshToken: false, detectSessionInUrl: false },
    realtime: { transport: WebSocket },
  });

/** The data of an answer that must have succeeded. */
function ok({ data, error }) {
  if (error) throw new Error(`${error.code ?? error.name}: ${error.message}`);
  return data;
}

const address = (name) => `${name}-${randomUUID()}@example.com`;

/** The first letter to this address that `seen` does not hold yet. */
const seen = new Set();
async function letter(to) {
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    const letters = await (await fetch(`${API_URL}/dev/mail`)).json();
    const found = letters.find((one) => one.to === to && !seen.has(one.number));
    if (found) {
      seen.add(found.number);
      const link = found.html.match(/href="([^"]+)"/)?.[1].replaceAll('&amp;', '&');
      return { subject: found.subject, code: found.html.match(/\b\d{6}\b/)[0], link };
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no letter to ${to}`);
}

/** Where a link leads, as a browser learns it. */
async function follow(link) {
  const answer = await fetch(link, { redirect: 'manual' });
  assert.equal(answer.status, 303);
  return new URL(answer.headers.get('location'));
}

/** Asks again as long as the server wants a pause between two letters to one address. */
async function patiently(ask) {
  for (const end = Date.now() + 10_000; ; ) {
    const answer = await ask();
    if (answer.error?.code !== 'over_email_send_rate_limit' || Date.now() > end) return ok(answer);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let failed = 0;
async function fact(text, check) {
  try {
    await check();
    console.log(`ok    ${text}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${text}\n      ${error.stack}`);
  }
}

const ann = connect(ANON_KEY, 'pkce');
const admin = connect(SERVICE_ROLE_KEY);
const email = address('ann');
const password = 'a password of ann';

await fact('a new account waits for its address', async () => {
  const { user, session } = ok(await ann.auth.signUp({ email, password, options: { data: { name: 'Ann' } } }));
  assert.ok(user.confirmation_sent_at);
  assert.equal(session, null);
  const early = await ann.auth.signInWithPassword({ email, password });
  assert.equal(early.error.code, 'email_not_confirmed');
});

await fact('the link in the letter gives a code, and the code a session', async () => {
  const to = await follow((await letter(email)).link);
  const { user } = ok(await ann.auth.exchangeCodeForSession(to.searchParams.get('code')));
  assert.equal(user.email, email);
  const [profile] = ok(await ann.from('profiles').select('name'));
  assert.equal(profile.name, 'Ann');
});

await fact('signing in by a code', async () => {
  const client = connect(ANON_KEY);
  await patiently(() => client.auth.signInWithOtp({ email, options: { shouldCreateUser: false } }));
  const { code } = await letter(email);
  const { session } = ok(await client.auth.verifyOtp({ email, token: code, type: 'email' }));
  assert.equal(session.user.email, email);
  const again = await client.auth.verifyOtp({ email, token: code, type: 'email' });
  assert.equal(again.error.code, 'otp_expired');
});

await fact('a forgotten password is chosen anew', async () => {
  const client = connect(ANON_KEY);
  await patiently(() => client.auth.resetPasswordForEmail(email));
  const to = await follow((await letter(email)).link);
  const tokens = new URLSearchParams(to.hash.slice(1));
  assert.equal(tokens.get('type'), 'recovery');
  ok(
    await client.auth.setSession({
      access_token: tokens.get('access_token'),
      refresh_token: tokens.get('refresh_token'),
    }),
  );
  ok(await client.auth.updateUser({ password: 'a fresh password' }));
  ok(await connect(ANON_KEY).auth.signInWithPassword({ email, password: 'a fresh password' }));
});

await fact('nobody learns whether an address is known', async () => {
  ok(await connect(ANON_KEY).auth.resetPasswordForEmail(address('nobody')));
  const taken = await patiently(() => connect(ANON_KEY).auth.signUp({ email, password: 'a password of a stranger' }));
  assert.equal(taken.user.email, email);
  assert.equal(taken.session, null);
  const stranger = await connect(ANON_KEY).auth.signInWithPassword({ email, password: 'a password of a stranger' });
  assert.equal(stranger.error.code, 'invalid_credentials');
});

await fact('a change of address is confirmed from both sides', async () => {
  const client = connect(ANON_KEY);
  ok(await client.auth.signInWithPassword({ email, password: 'a fresh password' }));
  const next = address('ann-new');
  const { user } = await patiently(() => client.auth.updateUser({ email: next }));
  assert.equal(user.new_email, next);
  await follow((await letter(next)).link);
  await follow((await letter(email)).link);
  assert.equal(ok(await client.auth.getUser()).user.email, next);
});

await fact('somebody without an address becomes an account', async () => {
  const client = connect(ANON_KEY);
  const { user } = ok(await client.auth.signInAnonymously());
  assert.equal(user.is_anonymous, true);
  const email = address('ben');
  ok(await client.auth.updateUser({ email }));
  await follow((await letter(email)).link);
  const now = ok(await client.auth.getUser()).user;
  assert.deepEqual([now.id, now.email, now.is_anonymous], [user.id, email, false]);
});

await fact('an administrator invites, and makes links', async () => {
  const email = address('cleo');
  const { user } = ok(await admin.auth.admin.inviteUserByEmail(email));
  assert.ok(user.invited_at);
  const to = await follow((await letter(email)).link);
  assert.equal(new URLSearchParams(to.hash.slice(1)).get('type'), 'invite');
  const { properties } = ok(await admin.auth.admin.generateLink({ type: 'magiclink', email }));
  const client = connect(ANON_KEY);
  ok(await client.auth.verifyOtp({ token_hash: properties.hashed_token, type: 'magiclink' }));
});

process.exitCode = failed ? 1 : 0;
