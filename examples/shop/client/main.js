// A day in the shop: strangers look, customers buy and pay, staff ships and gives money back, and two race for the last item.
//
// Reads API_URL, ANON_KEY and SERVICE_ROLE_KEY (`plinth status DIR -o env` prints them). With STRIPE_URL and STRIPE_PUBLISHABLE_KEY, which the
// stand-in for Stripe says, customers pay with cards; else staff says that their money has come.
// One line for each fact; ends with 0 when all hold, else with 1.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

const { API_URL, ANON_KEY, SERVICE_ROLE_KEY, STRIPE_URL, STRIPE_PUBLISHABLE_KEY } = process.env;
if (!API_URL || !ANON_KEY || !SERVICE_ROLE_KEY) {
  console.error('API_URL, ANON_KEY and SERVICE_ROLE_KEY must be set; try `plinth status DIR -o env`.');
  process.exit(1);
}

// Nothing here takes so long; this says when to give up.
const PATIENCE_MS = 20_000;

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
  return { client, id: user.id, token: session.access_token };
}

/** Somebody of the staff, made with the service key as a back office would. */
async function hire() {
  const email = `staff-${randomUUID()}@example.com`;
  const password = 'password of the staff';
  const made = await service.auth.admin.createUser({
    email,
    password,
    email_confirm: true,
    app_metadata: { commerce_role: 'staff' },
    user_metadata: { name: 'Sam' },
  });
  ok(made);
  const client = connect(ANON_KEY);
  const { session } = ok(await client.auth.signInWithPassword({ email, password }));
  return { client, token: session.access_token };
}

/** A request to /commerce/v1: its status and its body. Every one that changes something has a key of its own. */
async function ask(method, path, { who, secret, body, key = randomUUID() } = {}) {
  const headers = { apikey: ANON_KEY, authorization: `Bearer ${who?.token ?? ANON_KEY}` };
  if (method !== 'GET') headers['idempotency-key'] = key;
  if (secret) headers['x-commerce-secret'] = secret;
  if (body) headers['content-type'] = 'application/json';
  const answer = await fetch(`${API_URL}/commerce/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, replayed: answer.headers.get('idempotency-replayed'), body: await answer.json() };
}

/** The body of an answer that must have succeeded. */
async function done(asked) {
  const { status, body } = await asked;
  assert.ok(status < 300, `${status} ${body.code}: ${body.message}`);
  return body;
}

/** Fails unless a request was refused so. */
async function refused(asked, status, code) {
  const answer = await asked;
  assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
  return answer.body;
}

/** Asks until the answer is as it should be. */
async function eventually(look, isRight) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (isRight(seen)) return seen;
    assert.ok(Date.now() < end, `still ${JSON.stringify(seen)}`);
    await new Promise((later) => setTimeout(later, 50));
  }
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

/** Products of this run alone, so that the program can run again on the same data: the first costs 1.00, the second 2.00, … */
async function stock(quantities) {
  const shop = staff.client.schema('commerce');
  const category = ok(await staff.client.from('categories').insert({ name: `Run ${randomUUID()}` }).select().single());
  const names = Object.keys(quantities);
  const products = ok(await shop.from('products').insert(names.map((name) => ({ name }))).select('id, name'));
  const ids = Object.fromEntries(products.map(({ id, name }) => [name, id]));
  const prices = names.map((name, place) => ({ product_id: ids[name], currency: 'EUR', amount: 100 * (place + 1) }));
  ok(await shop.from('prices').insert(prices));
  ok(await staff.client.from('shelves').insert(products.map(({ id }) => ({ product_id: id, category_id: category.id }))));
  for (const [name, on_hand] of Object.entries(quantities)) {
    await done(ask('PUT', `/products/${ids[name]}/stock`, { who: staff, body: { on_hand } }));
  }
  return ids;
}

const left = async (id) => ok(await stranger.from('catalogue').select('available').eq('id', id).single()).available;
const basket = (...items) => ({
  lines: items.map(([product_id, quantity]) => ({ product_id, quantity })),
  currency: 'EUR',
  region: 'DE',
});
const order = (who, ...items) => ask('POST', '/orders', { who, body: basket(...items) });
/** What is sold over the counter is paid by hand, however customers pay. */
const sell = (...items) => done(ask('POST', '/orders', { who: staff, body: { ...basket(...items), provider: 'manual' } }));
const look = (who, { id }) => done(ask('GET', `/orders/${id}`, { who }));

/** What the customer's browser does with Stripe.js. */
async function confirm({ payment: { client_secret } }, method) {
  const [intent] = client_secret.split('_secret_');
  const body = new URLSearchParams({ key: STRIPE_PUBLISHABLE_KEY, client_secret, payment_method: method });
  const answer = await fetch(`${STRIPE_URL}/v1/payment_intents/${intent}/confirm`, { method: 'POST', body });
  return answer.json();
}

/** Pays as this shop is paid, and waits until the order knows. */
async function pay(who, placed) {
  if (STRIPE_URL) assert.equal((await confirm(placed, 'pm_card_visa')).status, 'succeeded');
  else await done(ask('POST', `/orders/${placed.id}/paid`, { who: staff }));
  return eventually(
    () => look(who, placed),
    ({ state }) => state === 'paid',
  );
}

if (STRIPE_URL) {
  // What one does once in Stripe's dashboard.
  const body = new URLSearchParams({ key: STRIPE_PUBLISHABLE_KEY, url: `${API_URL}/commerce/v1/webhooks/stripe` });
  const made = await fetch(`${STRIPE_URL}/v1/webhook_endpoints`, { method: 'POST', body });
  assert.equal(made.status, 200);
}

const goods = await stock({ Kettle: 10, Tray: 5, Spoon: 100, Lamp: 1 });
let first;

await fact('anyone reads the catalogue, with prices and what is left', async () => {
  const row = ok(await stranger.from('catalogue').select('name, category, amount, available').eq('id', goods.Kettle).single());
  assert.match(row.category, /^Run /);
  assert.deepEqual([row.name, row.amount, row.available], ['Kettle', 100, 10]);
});

await fact('strangers and customers cannot change it', async () => {
  for (const client of [stranger, ann.client]) {
    const shop = client.schema('commerce');
    assert.equal((await shop.from('products').insert({ name: 'Free' })).error?.code, '42501');
    const changed = await shop.from('prices').update({ amount: 1 }).eq('product_id', goods.Kettle).select();
    assert.deepEqual(changed.data ?? [], []);
  }
  const body = { on_hand: 1000 };
  await refused(ask('PUT', `/products/${goods.Lamp}/stock`, { who: ann, body }), 403, 'commerce_staff_only');
  assert.equal(ok(await stranger.from('catalogue').select('amount').eq('id', goods.Kettle).single()).amount, 100);
});

await fact('whoever signs up has a profile, and sees no other', async () => {
  assert.deepEqual(ok(await ann.client.from('profiles').select('id, name')), [{ id: ann.id, name: 'Ann' }]);
  assert.deepEqual(ok(await bob.client.from('profiles').select('name').eq('id', ann.id)), []);
});

await fact('an order is priced by the shop, takes stock and keeps its prices', async () => {
  first = await done(order(ann, [goods.Kettle, 3], [goods.Spoon, 6]));
  assert.deepEqual([first.state, first.user_id, first.currency], ['pending', ann.id, 'EUR']);
  assert.deepEqual([first.subtotal, first.discount, first.total], [2100, 0, 2100]);
  // 19 % are in 3.00 and in 18.00, each rounded for itself.
  assert.equal(first.tax, 48 + 287);
  assert.deepEqual([await left(goods.Kettle), await left(goods.Spoon)], [7, 94]);
  const dearer = { product_id: goods.Kettle, currency: 'EUR', amount: 900 };
  const { id } = ok(await staff.client.schema('commerce').from('prices').insert(dearer).select('id').single());
  assert.equal((await look(ann, first)).total, 2100);
  ok(await staff.client.schema('commerce').from('prices').update({ active: false }).eq('id', id));
});

await fact('a price that a customer sends is refused by name', async () => {
  const lines = [{ product_id: goods.Lamp, quantity: 1, unit_amount: 1 }];
  const said = await refused(ask('POST', '/orders', { who: bob, body: { lines, currency: 'EUR' } }), 400, 'commerce_unknown_member');
  assert.match(said.message, /unit_amount/);
});

await fact('a repeated request is one order, another body under its key is refused', async () => {
  const key = randomUUID();
  const once = (quantity) => ask('POST', '/orders', { who: bob, body: basket([goods.Spoon, quantity]), key });
  const [one, two] = [await once(1), await once(1)];
  assert.deepEqual([two.status, two.replayed, two.body.id], [201, 'true', one.body.id]);
  assert.equal(await left(goods.Spoon), 93);
  await refused(once(2), 422, 'commerce_idempotency_key_reused');
  await done(ask('POST', `/orders/${one.body.id}/cancel`, { who: bob }));
  assert.equal(await left(goods.Spoon), 94);
});

await fact('orders are seen by those who placed them', async () => {
  await refused(ask('GET', `/orders/${first.id}`, { who: bob }), 404, 'commerce_not_found');
  await refused(ask('POST', `/orders/${first.id}/cancel`, { who: bob }), 404, 'commerce_not_found');
  const mine = ok(await ann.client.schema('commerce').from('orders').select('id, total, order_lines(name, quantity)'));
  assert.deepEqual(mine.map(({ id, total }) => [id, total]), [[first.id, 2100]]);
  assert.deepEqual(mine[0].order_lines.map((line) => line.name).sort(), ['Kettle', 'Spoon']);
  assert.deepEqual(ok(await bob.client.schema('commerce').from('orders').select('id').eq('id', first.id)), []);
  const { error } = await stranger.schema('commerce').from('orders').select();
  assert.equal(error?.code, '42501');
});

await fact('nobody writes an order but the service, the service key included', async () => {
  for (const client of [ann.client, staff.client, service]) {
    const shop = client.schema('commerce');
    const forged = [
      shop.from('orders').update({ state: 'paid' }).eq('id', first.id),
      shop.from('orders').delete().eq('id', first.id),
      shop.from('order_lines').update({ total: 0 }).eq('order_id', first.id),
      shop.from('payments').update({ state: 'captured' }).eq('order_id', first.id),
      shop.from('ledger_postings').insert({ position: 1, account: 'revenue', currency: 'EUR', amount: 1 }),
      shop.from('inventory').update({ on_hand: 0 }).eq('product_id', goods.Lamp),
    ];
    for (const { error } of await Promise.all(forged)) assert.equal(error?.code, '42501');
  }
});

await fact('a guest has a secret, and whoever has it the order', async () => {
  const { status, body: placed } = await ask('POST', '/orders', { body: { ...basket([goods.Spoon, 1]), email: 'guest@example.com' } });
  assert.equal(status, 201);
  assert.equal((await done(ask('GET', `/orders/${placed.id}`, { secret: placed.secret }))).email, 'guest@example.com');
  await refused(ask('GET', `/orders/${placed.id}`), 404, 'commerce_not_found');
  await refused(ask('GET', `/orders/${placed.id}`, { who: ann }), 404, 'commerce_not_found');
  const cancelled = await done(ask('POST', `/orders/${placed.id}/cancel`, { secret: placed.secret }));
  assert.equal(cancelled.state, 'cancelled');
});

await fact('a basket that is short of one thing takes nothing', async () => {
  const said = await refused(order(bob, [goods.Spoon, 5], [goods.Tray, 6]), 409, 'commerce_out_of_stock');
  assert.match(said.message, /5 of 6/);
  assert.deepEqual([await left(goods.Spoon), await left(goods.Tray)], [94, 5]);
});

await fact('baskets that make no sense are refused', async () => {
  const line = { product_id: goods.Tray, quantity: 1 };
  for (const [body, status, code] of [
    [{ lines: [], currency: 'EUR' }, 422, 'commerce_nothing_to_buy'],
    [{ lines: [line] }, 400],
    [{ lines: [line], currency: 'XXZ' }, 400],
    [{ lines: [{ ...line, quantity: 0 }], currency: 'EUR' }, 400],
    [{ lines: [{ ...line, quantity: -1 }], currency: 'EUR' }, 400],
    [{ lines: [{ ...line, quantity: 1e15 }], currency: 'EUR' }, 400],
    [{ lines: [line], currency: 'JPY' }, 422, 'commerce_not_for_sale'],
    [{ lines: [{ product_id: randomUUID(), quantity: 1 }], currency: 'EUR' }, 422, 'commerce_not_for_sale'],
    [{ lines: [line], currency: 'EUR', codes: ['NOBODY-KNOWS'] }, 422, 'commerce_unknown_discount'],
  ]) {
    const answer = await ask('POST', '/orders', { who: bob, body });
    assert.equal(answer.status, status, JSON.stringify([body, answer.body]));
    if (code) assert.equal(answer.body.code, code);
  }
  assert.equal(await left(goods.Tray), 5);
});

await fact('of two who want the last item, one gets it', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { Lamp } = await stock({ Lamp: 1 });
    const answers = await Promise.all([order(ann, [Lamp, 1]), order(bob, [Lamp, 1])]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
    assert.equal(await left(Lamp), 0);
  }
});

await fact('forty orders at once sell what is there and no more', async () => {
  const { Ticket } = await stock({ Ticket: 25 });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => order(n % 2 ? ann : bob, [Ticket, 1])));
  assert.equal(answers.filter(({ status }) => status === 201).length, 25);
  assert.equal(await left(Ticket), 0);
});

await fact('a cancelled order gives its stock back, once', async () => {
  const placed = await done(order(bob, [goods.Tray, 4]));
  assert.equal(await left(goods.Tray), 1);
  assert.equal((await done(ask('POST', `/orders/${placed.id}/cancel`, { who: bob }))).state, 'cancelled');
  assert.equal(await left(goods.Tray), 5);
  assert.equal((await ask('POST', `/orders/${placed.id}/cancel`, { who: bob })).status, 409);
  assert.equal(await left(goods.Tray), 5);
});

await fact('an order that is paid by hand is paid when staff says so, and then goes out', async () => {
  const sold = await sell([goods.Tray, 2]);
  assert.deepEqual([sold.provider, sold.state, sold.total], ['manual', 'pending', 400]);
  await refused(ask('POST', `/orders/${sold.id}/paid`, { who: ann }), 403, 'commerce_staff_only');
  const paid = await done(ask('POST', `/orders/${sold.id}/paid`, { who: staff }));
  assert.deepEqual([paid.state, paid.captured], ['paid', 400]);
  assert.equal((await ask('POST', `/orders/${sold.id}/paid`, { who: staff })).status, 409);
  assert.equal((await done(ask('POST', `/orders/${sold.id}/fulfil`, { who: staff }))).state, 'fulfilled');
  assert.equal(await left(goods.Tray), 3);
});

await fact('money goes back in parts, never more than came, and with the goods if they come back', async () => {
  const sold = await sell([goods.Tray, 2]);
  const refund = (body) => ask('POST', `/orders/${sold.id}/refunds`, { who: staff, body });
  await done(ask('POST', `/orders/${sold.id}/paid`, { who: staff }));
  await done(ask('POST', `/orders/${sold.id}/fulfil`, { who: staff }));
  const part = await done(refund({ amount: 150, reason: 'a scratch' }));
  assert.deepEqual([part.amount, part.reason], [150, 'a scratch']);
  await refused(refund({ amount: 251 }), 422, 'commerce_refund_above_capture');
  assert.equal((await refund({ amount: 0 })).status, 400);
  assert.equal((await done(refund({ restock: true }))).amount, 250);
  const now = await eventually(
    () => look(staff, sold),
    ({ state }) => state === 'refunded',
  );
  assert.deepEqual([now.captured, now.refunded], [400, 400]);
  assert.equal(await left(goods.Tray), 3);
});

await fact('customers pay, and see that they have', async () => {
  const paid = await pay(ann, first);
  assert.deepEqual([paid.captured, paid.payment.state], [2100, 'captured']);
  assert.equal((await ask('POST', `/orders/${first.id}/cancel`, { who: ann })).status, 403);
});

await fact('who has bought something may say how it was, and nobody else', async () => {
  const review = { product_id: goods.Kettle, stars: 5, words: 'boils' };
  ok(await ann.client.from('reviews').insert(review));
  assert.equal((await bob.client.from('reviews').insert(review)).error?.code, '42501');
  assert.deepEqual(ok(await stranger.from('reviews').select('stars').eq('product_id', goods.Kettle)), [{ stars: 5 }]);
});

await fact('customers see their own part of the sales, staff all of them', async () => {
  const sales = ({ client }) => client.from('sales').select('sold, revenue').eq('product_id', goods.Kettle);
  assert.deepEqual(ok(await sales(ann)), [{ sold: 3, revenue: 300 }]);
  assert.deepEqual(ok(await sales(bob)), []);
  assert.deepEqual(ok(await sales(staff)), [{ sold: 3, revenue: 300 }]);
});

await fact('nobody makes themselves staff', async () => {
  ok(await bob.client.auth.updateUser({ data: { commerce_role: 'staff', app_metadata: { commerce_role: 'staff' } } }));
  const { session } = ok(await bob.client.auth.refreshSession());
  assert.equal(ok(await bob.client.rpc('is_staff')), false);
  await refused(ask('POST', `/orders/${first.id}/refunds`, { who: { token: session.access_token } }), 403, 'commerce_staff_only');
  assert.equal(ok(await staff.client.rpc('is_staff')), true);
});

if (STRIPE_URL) await cards();

await fact('the books balance', async () => {
  const rows = ok(await service.schema('commerce').from('ledger_postings').select('account, amount').eq('currency', 'EUR'));
  assert.ok(rows.length > 0);
  assert.equal(rows.reduce((sum, { amount }) => sum + amount, 0), 0);
});

process.exit(failed === 0 ? 0 : 1);

/** What Stripe tells the shop, and what others tell it in Stripe's name. */
async function cards() {
  const { Vase } = await stock({ Vase: 50 });

  await fact('a card that is declined pays nothing, and another may be tried', async () => {
    const placed = await done(order(bob, [Vase, 2]));
    assert.match(placed.payment.client_secret, /^pi_.*_secret_/);
    assert.equal((await confirm(placed, 'pm_card_chargeCustomerFail')).error.code, 'card_declined');
    assert.equal((await look(bob, placed)).state, 'pending');
    assert.equal((await confirm(placed, 'pm_card_visa')).status, 'succeeded');
    const paid = await eventually(
      () => look(bob, placed),
      ({ state }) => state === 'paid',
    );
    assert.deepEqual([paid.captured, paid.payment.client_secret], [200, null]);
  });

  await fact('a refund goes back to the card', async () => {
    const placed = await done(order(bob, [Vase, 1]));
    await pay(bob, placed);
    await done(ask('POST', `/orders/${placed.id}/refunds`, { who: staff, body: { reason: 'it was broken' } }));
    const now = await eventually(
      () => look(bob, placed),
      ({ state }) => state === 'refunded',
    );
    assert.deepEqual([now.captured, now.refunded], [100, 100]);
    const refunds = await done(ask('GET', `/orders/${placed.id}/refunds`, { who: staff }));
    assert.match(JSON.stringify(refunds), /"succeeded"/);
  });

  await fact('an order that was cancelled cannot be paid', async () => {
    const placed = await done(order(bob, [Vase, 1]));
    await done(ask('POST', `/orders/${placed.id}/cancel`, { who: bob }));
    assert.ok((await confirm(placed, 'pm_card_visa')).error);
  });

  await fact('staff cannot say that a card has paid', async () => {
    const placed = await done(order(bob, [Vase, 1]));
    await refused(ask('POST', `/orders/${placed.id}/paid`, { who: staff }), 409, 'commerce_not_by_hand');
  });

  await fact('what is not signed by Stripe is not believed', async () => {
    const placed = await done(order(bob, [Vase, 1]));
    const [intent] = placed.payment.client_secret.split('_secret_');
    const event = { id: 'evt_forged', type: 'payment_intent.succeeded', livemode: false, data: { object: { id: intent, object: 'payment_intent' } } };
    const now = Math.floor(Date.now() / 1000);
    for (const signature of ['', `t=${now}`, `t=${now},v1=${'0'.repeat(64)}`]) {
      const answer = await fetch(`${API_URL}/commerce/v1/webhooks/stripe`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': signature },
        body: JSON.stringify(event),
      });
      assert.equal(answer.status, 400);
    }
    assert.equal((await look(bob, placed)).state, 'pending');
  });
}
