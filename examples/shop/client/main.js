// A day in the shop: strangers look, customers buy, staff ships, and two race for the last item.
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

/** A client signed in as a new customer. */
async function signUp(name) {
  const client = connect(ANON_KEY);
  const email = `${name.toLowerCase()}-${randomUUID()}@example.com`;
  const password = `password of ${name}`;
  const { user, session } = ok(await client.auth.signUp({ email, password, options: { data: { name } } }));
  assert.ok(session, 'signing up gives a session');
  return { client, id: user.id };
}

/** A client signed in as somebody of the staff, made with the service key as a back office would. */
async function hire() {
  const email = `staff-${randomUUID()}@example.com`;
  const password = 'password of the staff';
  const made = await service.auth.admin.createUser({
    email,
    password,
    email_confirm: true,
    app_metadata: { role: 'staff' },
    user_metadata: { name: 'Sam' },
  });
  ok(made);
  const client = connect(ANON_KEY);
  ok(await client.auth.signInWithPassword({ email, password }));
  return client;
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

const stranger = connect(ANON_KEY);
const service = connect(SERVICE_ROLE_KEY);
const ann = await signUp('Ann');
const bob = await signUp('Bob');
const staff = await hire();

/** Products of this run alone, so that the program can run again on the same data. */
async function stock(quantities) {
  const category = ok(await staff.from('categories').insert({ name: `Run ${randomUUID()}` }).select().single());
  const rows = Object.entries(quantities).map(([name, quantity], place) => ({
    category_id: category.id,
    name,
    price_cents: 100 * (place + 1),
    stock: quantity,
  }));
  const products = ok(await staff.from('products').insert(rows).select());
  return Object.fromEntries(products.map((product) => [product.name, product.id]));
}

const left = async (id) => ok(await stranger.from('products').select('stock').eq('id', id).single()).stock;
const order = (customer, ...items) =>
  customer.client.rpc('place_order', { items: items.map(([product_id, quantity]) => ({ product_id, quantity })) });
const goods = await stock({ Kettle: 10, Tray: 5, Spoon: 100, Lamp: 1 });
let first;

await fact('anyone reads the catalogue, with its categories', async () => {
  const rows = ok(
    await stranger.from('products').select('name, price_cents, categories!inner(name)').eq('id', goods.Kettle),
  );
  assert.equal(rows.length, 1);
  assert.equal(rows[0].price_cents, 100);
  assert.match(rows[0].categories.name, /^Run /);
});

await fact('strangers and customers cannot change it', async () => {
  for (const client of [stranger, ann.client]) {
    const { error } = await client.from('products').insert({ category_id: 1, name: 'Free', price_cents: 0 });
    assert.equal(error.code, '42501');
    const changed = await client.from('products').update({ price_cents: 1 }).eq('id', goods.Kettle).select();
    assert.deepEqual(changed.data ?? [], []);
  }
  assert.equal(ok(await stranger.from('products').select('price_cents').eq('id', goods.Kettle).single()).price_cents, 100);
});

await fact('whoever signs up has a profile, and sees no other', async () => {
  assert.deepEqual(ok(await ann.client.from('profiles').select('id, name')), [{ id: ann.id, name: 'Ann' }]);
  assert.deepEqual(ok(await bob.client.from('profiles').select('name').eq('id', ann.id)), []);
});

await fact('an order takes stock and keeps the price', async () => {
  first = ok(await order(ann, [goods.Kettle, 2], [goods.Spoon, 6], [goods.Kettle, 1]));
  assert.equal(first.status, 'placed');
  assert.equal(first.total_cents, 3 * 100 + 6 * 300);
  assert.deepEqual([await left(goods.Kettle), await left(goods.Spoon)], [7, 94]);
  const seen = ok(
    await ann.client
      .from('orders')
      .select('id, total_cents, order_lines(quantity, price_cents, products(name)), order_events(status, by_user)')
      .single(),
  );
  assert.deepEqual(
    seen.order_lines.map((line) => [line.products.name, line.quantity]).sort(),
    [
      ['Kettle', 3],
      ['Spoon', 6],
    ],
  );
  assert.deepEqual(seen.order_events, [{ status: 'placed', by_user: ann.id }]);
});

await fact('orders are seen by those who placed them', async () => {
  assert.deepEqual(ok(await bob.client.from('orders').select()), []);
  assert.deepEqual(ok(await bob.client.from('order_lines').select()), []);
  const { error } = await stranger.from('orders').select();
  assert.ok(error === null || error.code === '42501');
});

await fact('nobody writes an order but the function', async () => {
  const forged = [
    ann.client.from('orders').insert({ customer_id: ann.id, total_cents: 0 }),
    ann.client.from('order_lines').insert({ order_id: first.id, product_id: goods.Lamp, quantity: 1, price_cents: 0 }),
    ann.client.from('orders').update({ total_cents: 0 }).eq('id', first.id),
    ann.client.from('orders').delete().eq('id', first.id),
    ann.client.from('order_events').delete().eq('order_id', first.id),
  ];
  for (const { error } of await Promise.all(forged)) assert.equal(error?.code, '42501');
  assert.deepEqual(ok(await ann.client.from('orders').update({ status: 'shipped' }).eq('id', first.id).select('id')), []);
});

await fact('strangers cannot order', async () => {
  const { error, status } = await stranger.rpc('place_order', { items: [{ product_id: goods.Lamp, quantity: 1 }] });
  assert.equal(error.code, '42501');
  assert.equal(status, 401);
});

await fact('a basket that is short of one thing takes nothing', async () => {
  const { error, status } = await order(bob, [goods.Spoon, 5], [goods.Tray, 6]);
  assert.equal(status, 400);
  assert.equal(error.code, 'P0001');
  assert.equal(error.message, 'only 5 of "Tray" left');
  assert.deepEqual(JSON.parse(error.details), { product_id: goods.Tray, left: 5, wanted: 6 });
  assert.match(error.hint, /fewer/);
  assert.deepEqual([await left(goods.Spoon), await left(goods.Tray)], [94, 5]);
  assert.deepEqual(ok(await bob.client.from('orders').select()), []);
});

await fact('baskets that make no sense are refused', async () => {
  const codes = [];
  for (const items of [[], null, { product_id: 1 }, [{ product_id: goods.Tray, quantity: 0 }], [{ product_id: goods.Tray }],
    [{ product_id: goods.Tray, quantity: 3 }, { product_id: goods.Tray, quantity: -1 }], [{ product_id: 999999999, quantity: 1 }],
    [{ product_id: 'x', quantity: 1 }], Array(101).fill({ product_id: goods.Tray, quantity: 1 })]) {
    codes.push((await bob.client.rpc('place_order', { items })).error?.code);
  }
  assert.deepEqual(codes, ['22023', '22023', '22023', '22023', '22023', '22023', 'P0002', '22P02', '22023']);
  assert.equal(await left(goods.Tray), 5);
});

await fact('of two who want the last item, one gets it', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { Lamp } = await stock({ Lamp: 1 });
    const answers = await Promise.all([order(ann, [Lamp, 1]), order(bob, [Lamp, 1])]);
    const codes = answers.map(({ error }) => error?.code ?? 'sold').sort();
    assert.deepEqual(codes, ['P0001', 'sold']);
    assert.equal(await left(Lamp), 0);
  }
});

await fact('forty orders at once sell what is there and no more', async () => {
  const { Ticket } = await stock({ Ticket: 25 });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => order(n % 2 ? ann : bob, [Ticket, 1])));
  assert.equal(answers.filter(({ error }) => !error).length, 25);
  assert.equal(await left(Ticket), 0);
  const [sale] = ok(await staff.from('sales').select('sold, revenue_cents').eq('product_id', Ticket));
  assert.deepEqual(sale, { sold: 25, revenue_cents: 2500 });
});

await fact('a cancelled order gives its stock back, once', async () => {
  const placed = ok(await order(bob, [goods.Tray, 4]));
  assert.equal(await left(goods.Tray), 1);
  const foreign = await ann.client.rpc('cancel_order', { order_id: placed.id });
  assert.equal(foreign.error.code, 'P0002');
  assert.equal(ok(await bob.client.rpc('cancel_order', { order_id: placed.id })).status, 'cancelled');
  assert.equal(await left(goods.Tray), 5);
  assert.equal((await bob.client.rpc('cancel_order', { order_id: placed.id })).error.code, 'P0002');
  assert.equal(await left(goods.Tray), 5);
});

await fact('staff sees all orders and moves them on, step by step', async () => {
  const seen = ok(await staff.from('orders').select('customer_id, profiles(name)').eq('id', first.id).single());
  assert.deepEqual(seen, { customer_id: ann.id, profiles: { name: 'Ann' } });
  const jump = await staff.from('orders').update({ status: 'shipped' }).eq('id', first.id);
  assert.equal(jump.error.code, '23514');
  for (const status of ['paid', 'shipped']) ok(await staff.from('orders').update({ status }).eq('id', first.id));
  const events = ok(await ann.client.from('order_events').select('status').eq('order_id', first.id).order('id'));
  assert.deepEqual(events.map(({ status }) => status), ['placed', 'paid', 'shipped']);
  const price = await staff.from('orders').update({ total_cents: 1 }).eq('id', first.id);
  assert.equal(price.error.code, '42501');
  assert.equal((await ann.client.rpc('cancel_order', { order_id: first.id })).error.code, 'P0002');
});

await fact('nobody makes themselves staff', async () => {
  ok(await ann.client.auth.updateUser({ data: { role: 'staff', app_metadata: { role: 'staff' } } }));
  ok(await ann.client.auth.refreshSession());
  assert.equal(ok(await ann.client.rpc('is_staff')), false);
  const { error } = await ann.client.from('products').insert({ category_id: 1, name: 'Free', price_cents: 0 });
  assert.equal(error.code, '42501');
  assert.equal(ok(await staff.rpc('is_staff')), true);
});

await fact('what is hidden is neither seen nor sold', async () => {
  ok(await staff.from('products').update({ hidden: true }).eq('id', goods.Lamp));
  assert.deepEqual(ok(await ann.client.from('products').select().eq('id', goods.Lamp)), []);
  assert.equal((await order(ann, [goods.Lamp, 1])).error.code, 'P0002');
  assert.equal(ok(await staff.from('products').select('stock').eq('id', goods.Lamp).single()).stock, 1);
});

await fact('customers see their own part of the sales', async () => {
  const mine = ok(await ann.client.from('sales').select('name, sold').eq('product_id', goods.Kettle));
  assert.deepEqual(mine, [{ name: 'Kettle', sold: 3 }]);
  assert.deepEqual(ok(await bob.client.from('sales').select('name, sold').eq('product_id', goods.Kettle)), []);
});

process.exit(failed === 0 ? 0 : 1);
