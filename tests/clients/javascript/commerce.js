// Orders of a Plinth in production, through plain requests and supabase-js, paid at the stand-in for Stripe.
//
//     node commerce.js PLINTH_BINARY
//
// Serves a copy of ../shop. Where its rows are, and that Stripe is where the stand-in is, the environment says (`beside --stripe`), as for
// every Plinth. One line for each fact; ends with 0 when all hold, else with 1.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'

import { Facts, Plinth, data, eventually } from './stage.js'

const APP = fileURLToPath(new URL('../shop', import.meta.url))
const SETTINGS = `
[api]
schemas = ["public", "graphql_public", "commerce"]
`
const TEAPOT = '5f0e0000-0000-4000-8000-000000000001'
const LAST_CUP = '5f0e0000-0000-4000-8000-000000000002'
const { STRIPE_URL, STRIPE_PUBLISHABLE_KEY } = process.env

const fact = new Facts()
const plinth = new Plinth(process.argv[2], APP, SETTINGS)
try {
  await plinth.start()
  await stripe('/v1/webhook_endpoints', { url: `${plinth.url}/commerce/v1/webhooks/stripe` })
  const ann = await plinth.person('ann')
  const ben = await plinth.person('ben')
  await prices(ann)
  await carts(ann, ben)
  const order = await paying(ann)
  await outages(ann)
  await refunds(ann, order)
  // Now there is a row of everything.
  await secrecy(ann, ben, order)
  await fact.check('the books agree with orders and payments, beside the running server', () =>
    plinth.run('ledger', 'check', plinth.folder),
  )
  await fact.check('Stripe and the shop agree', async () => {
    const said = await plinth.run('orders', 'reconcile', plinth.folder, '--json')
    const { looked, problems } = JSON.parse(said.trim().split('\n').at(-1))
    assert.ok(looked > 0 && problems === 0, said)
  })
  await fact.check('SIGTERM ends it with 0', async () => assert.equal(await plinth.stop(), 0))
  if (fact.failed) console.error(`the server said:\n${await plinth.log()}`)
} finally {
  await plinth.clean()
}
console.log(fact.failed ? `${fact.failed} facts do not hold` : `all ${fact.held} facts hold`)
process.exit(fact.failed ? 1 : 0)

async function prices(ann) {
  const place = (currency, region) =>
    done(ask('POST', '/orders', { who: ann, body: { lines: [{ product_id: TEAPOT, quantity: 3 }], currency, region } }))

  await fact.check('amounts are minor units of their currency: hundredths, whole yen, thousandths of a dinar', async () => {
    const totals = []
    for (const currency of ['EUR', 'JPY', 'KWD']) totals.push((await place(currency)).total)
    assert.deepEqual(totals, [7470, 12300, 26250])
  })

  await fact.check('tax is in a price or comes on top of it, as the region has it', async () => {
    const [german, american] = [await place('EUR', 'DE'), await place('EUR', 'US')]
    assert.deepEqual([german.total, german.tax], [7470, 1193])
    assert.deepEqual([american.total, american.tax], [7470 + 616, 616])
  })

  await fact.check('a request without a key is refused', async () => {
    const body = JSON.stringify({ lines: [{ product_id: TEAPOT, quantity: 1 }], currency: 'EUR' })
    const headers = { apikey: plinth.anonKey, authorization: `Bearer ${ann.token}`, 'content-type': 'application/json' }
    const answer = await fetch(`${plinth.url}/commerce/v1/orders`, { method: 'POST', headers, body })
    assert.deepEqual([answer.status, (await answer.json()).code], [400, 'commerce_idempotency_key_missing'])
  })
}

async function carts(ann, ben) {
  let cart

  await fact.check('a cart says what it would cost, and reserves nothing', async () => {
    const lines = [{ product_id: LAST_CUP, quantity: 1 }]
    cart = await done(ask('POST', '/carts', { who: ann, body: { currency: 'EUR', region: 'DE', codes: ['ONCE'], lines } }))
    assert.match(JSON.stringify(cart), /"total":891\b/)
    const stock = plinth.service().schema('commerce').from('inventory').select('on_hand, reserved').eq('product_id', LAST_CUP)
    assert.deepEqual(data(await stock), [{ on_hand: 1, reserved: 0 }])
  })

  await fact.check('nobody else sees it or orders it', async () => {
    assert.equal((await ask('GET', `/carts/${cart.id}`, { who: ben })).status, 404)
    assert.equal((await ask('POST', '/orders', { who: ben, body: { cart_id: cart.id } })).status, 404)
    assert.equal((await ask('DELETE', `/carts/${cart.id}`, { who: ben })).status, 404)
  })

  await fact.check('it is ordered once, with its code and the last of its kind', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => ask('POST', '/orders', { who: ann, body: { cart_id: cart.id } })))
    const statuses = answers.map(({ status }) => status).sort()
    assert.deepEqual(statuses, [201, 409, 409], JSON.stringify(answers))
    const order = answers.find(({ status }) => status === 201).body
    assert.deepEqual([order.subtotal, order.discount, order.total], [990, 99, 891])
    const again = { lines: [{ product_id: TEAPOT, quantity: 1 }], currency: 'EUR', codes: ['ONCE'] }
    assert.equal((await ask('POST', '/orders', { who: ben, body: again })).body.code, 'commerce_discount_used_up')
  })
}

async function paying(ann) {
  let order

  await fact.check('a card pays an order, and the order knows', async () => {
    order = await place(ann)
    assert.equal((await confirm(order, 'pm_card_visa')).status, 'succeeded')
    order = await state(ann, order, 'paid')
    assert.deepEqual([order.captured, order.payment.client_secret], [2490, null])
  })

  await fact.check('a debit of an account is known a little later', async () => {
    const slow = await place(ann)
    await confirm(slow, 'pm_debit')
    await state(ann, slow, 'paid')
  })

  await fact.check('a debit that fails leaves the order unpaid, and a card may pay it then', async () => {
    const bounced = await place(ann)
    assert.equal((await confirm(bounced, 'pm_debit_fails')).status, 'processing')
    await eventually(
      async () => (await confirm(bounced, 'pm_card_visa')).status,
      (status) => status === 'succeeded',
    )
    await state(ann, bounced, 'paid')
  })

  await fact.check('a card whose bank asks first pays when it was answered', async () => {
    const asked = await place(ann)
    const { status, id } = await confirm(asked, 'pm_card_authenticationRequired')
    assert.equal(status, 'requires_action')
    const { client_secret } = asked.payment
    const said = await stripe(`/v1/payment_intents/${id}/authenticate`, { client_secret, success: 'true' })
    assert.equal(said.status, 'succeeded')
    await state(ann, asked, 'paid')
  })
  return order
}

async function secrecy(ann, ben, order) {
  const own = ['orders', 'order_lines', 'order_events', 'payments', 'refunds', 'customers', 'carts', 'cart_lines']
  const staffs = ['reservations', 'inventory', 'discounts', 'ledger_accounts', 'ledger_transactions', 'ledger_postings']
  const rows = async (client, table) => data(await client.schema('commerce').from(table).select())
  const refused = async (client, table) => (await client.schema('commerce').from(table).select()).error?.code

  await fact.check('customers read their own rows through /rest/v1, and nobody else does', async () => {
    for (const table of own) {
      assert.notDeepEqual(await rows(ann.client, table), [], table)
      assert.deepEqual(await rows(ben.client, table), [], table)
      assert.equal(await refused(plinth.anonymous(), table), '42501', table)
    }
  })

  await fact.check('customers read nothing of the shop’s own, of which there is something', async () => {
    for (const table of staffs) {
      assert.notDeepEqual(await rows(plinth.service(), table), [], table)
      assert.deepEqual(await rows(ann.client, table), [], table)
      assert.equal(await refused(plinth.anonymous(), table), '42501', table)
    }
    assert.notDeepEqual(await rows(plinth.service(), 'webhook_events'), [])
    for (const client of [ann.client, plinth.anonymous()]) assert.equal(await refused(client, 'webhook_events'), '42501')
    for (const table of ['idempotency', 'payment_secrets', 'transitions']) {
      for (const client of [ann.client, plinth.anonymous(), plinth.service()]) {
        assert.equal(await refused(client, table), '42501', table)
      }
    }
  })

  await fact.check('the functions that write are nobody’s to call', async () => {
    const before = await look(ann, order)
    const kept = { scope: 'mine', key: 'mine' }
    for (const [name, input] of [
      ['place', { doc: { order } }],
      ['advance', { doc: { order_id: order.id } }],
      ['begin_request', { doc: kept }],
      ['take_key', { doc: kept }],
      ['still_offered', { doc: { order } }],
      ['place_at_once', { doc: { begin: kept, order } }],
      ['create_cart', { doc: {} }],
      ['change_cart', { doc: {} }],
      ['remove_cart', { doc: {} }],
      ['set_stock', { doc: { product_id: TEAPOT, on_hand: 1 } }],
      ['take_payments', { doc: {} }],
      ['keep', { kept }],
      ['save_payment', { payment: order.payment }],
      ['save_refund', { refund: {} }],
      ['note_refund', { refund: {} }],
      ['move_stock', { whose: order.id, movement: 'release' }],
      ['book', { whose: order.id, booking: {} }],
    ]) {
      for (const client of [ann.client, ben.client, plinth.anonymous(), plinth.service()]) {
        const { error } = await client.schema('commerce').rpc(name, input)
        // Any other code would say that there is no such function, and nothing of who may call it.
        assert.equal(error?.code, '42501', `${name}: ${JSON.stringify(error)}`)
      }
    }
    assert.deepEqual(await look(ann, order), before)
  })
}

async function outages(ann) {
  await fact.check('what is paid while the server is dead is known when it is back', async () => {
    const order = await place(ann)
    await plinth.kill()
    assert.equal((await confirm(order, 'pm_card_visa')).status, 'succeeded')
    await plinth.serve()
    await state(ann, order, 'paid')
  })

  await fact.check('an answer that was given is given again after a crash', async () => {
    const key = randomUUID()
    const body = { lines: [{ product_id: TEAPOT, quantity: 2 }], currency: 'EUR' }
    const first = await done(ask('POST', '/orders', { who: ann, body, key }))
    await plinth.kill()
    await plinth.serve()
    const second = await ask('POST', '/orders', { who: ann, body, key })
    assert.deepEqual([second.status, second.replayed, second.body.id], [201, 'true', first.id])
  })
}

async function refunds(ann, order) {
  const staff = { token: plinth.serviceKey }
  const refund = (body, key) => ask('POST', `/orders/${order.id}/refunds`, { who: staff, body, key })

  await fact.check('money goes back to the card, in parts, and once for each key', async () => {
    const key = randomUUID()
    for (let time = 0; time < 3; time += 1) assert.equal((await done(refund({ amount: 490 }, key))).amount, 490)
    await eventually(
      () => look(ann, order),
      ({ refunded }) => refunded === 490,
    )
    const { body } = await refund({ amount: 2001 })
    assert.equal(body.code, 'commerce_refund_above_capture')
    await done(refund({}))
    const now = await state(ann, order, 'refunded')
    assert.deepEqual([now.captured, now.refunded], [2490, 2490])
  })

  await fact.check('of many refunds at once no more goes back than came', async () => {
    const paid = await place(ann)
    await confirm(paid, 'pm_card_visa')
    await state(ann, paid, 'paid')
    const ask10 = () => ask('POST', `/orders/${paid.id}/refunds`, { who: staff, body: { amount: 1000 } })
    const answers = await Promise.all(Array.from({ length: 10 }, ask10))
    assert.equal(answers.filter(({ status }) => status < 300).length, 2, JSON.stringify(answers))
    const now = await eventually(
      () => look(ann, paid),
      ({ refunded }) => refunded === 2000,
    )
    assert.equal(now.state, 'paid')
  })
}

/** Orders a teapot. */
function place(who) {
  const lines = [{ product_id: TEAPOT, quantity: 1 }]
  return done(ask('POST', '/orders', { who, body: { lines, currency: 'EUR', region: 'DE' } }))
}

function look(who, { id }) {
  return done(ask('GET', `/orders/${id}`, { who }))
}

/** Waits until an order is in this state. */
function state(who, order, wanted) {
  return eventually(
    () => look(who, order),
    (seen) => seen.state === wanted,
  )
}

/** A request to /commerce/v1: its status and its body. Every one that changes something has a key of its own. */
async function ask(method, path, { who, body, key = randomUUID() }) {
  const headers = { apikey: plinth.anonKey, authorization: `Bearer ${who.token}` }
  if (method !== 'GET') headers['idempotency-key'] = key
  if (body) headers['content-type'] = 'application/json'
  const answer = await fetch(`${plinth.url}/commerce/v1${path}`, { method, headers, body: body && JSON.stringify(body) })
  const text = await answer.text()
  return { status: answer.status, replayed: answer.headers.get('idempotency-replayed'), body: text ? JSON.parse(text) : null }
}

/** The body of an answer that must have succeeded. */
async function done(asked) {
  const { status, body } = await asked
  assert.ok(status < 300, `${status} ${body?.code}: ${body?.message}`)
  return body
}

/** What a customer's browser says to Stripe. */
async function stripe(path, form) {
  const body = new URLSearchParams({ key: STRIPE_PUBLISHABLE_KEY, ...form })
  const answer = await fetch(`${STRIPE_URL}${path}`, { method: 'POST', body })
  return answer.json()
}

function confirm({ payment: { client_secret } }, payment_method) {
  const [intent] = client_secret.split('_secret_')
  return stripe(`/v1/payment_intents/${intent}/confirm`, { client_secret, payment_method })
}
