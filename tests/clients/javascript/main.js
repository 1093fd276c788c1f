// Accounts of a Plinth in production, through supabase-js and a mail server.
//
//     node . PLINTH_BINARY
//
// Serves a copy of ../app with a mail server beside it. One line for each fact; ends with 0 when all hold, else with 1.

import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'

import { Facts, Mailbox, Plinth, SITE_URL, address, data, follow } from './stage.js'

const APP = fileURLToPath(new URL('../app', import.meta.url))

const fact = new Facts()
const mail = new Mailbox()
await mail.open()
const plinth = new Plinth(process.argv[2], APP, mail.settings)
try {
  await plinth.start()
  const ann = await confirmation()
  await recovery()
  await signInByCode()
  await functions(ann)
  await fact.check('no letter went out that nobody asked for', () => assert.equal(mail.unread, 0))
  await fact.check('SIGTERM ends it with 0', async () => assert.equal(await plinth.stop(), 0))
  if (fact.failed) console.error(`the server said:\n${await plinth.log()}`)
} finally {
  await plinth.clean()
  await mail.close()
}
console.log(fact.failed ? `${fact.failed} facts do not hold` : `all ${fact.held} facts hold`)
process.exit(fact.failed ? 1 : 0)

async function confirmation() {
  const client = plinth.anonymous({ flowType: 'implicit' })
  const email = address('ann')
  const password = 'a password of ann'
  let letter

  await fact.check('a sign-up makes an account, but no session before the address is confirmed', async () => {
    const { user, session } = data(await client.auth.signUp({ email, password, options: { data: { name: 'Ann' } } }))
    assert.equal(session, null)
    assert.equal(user.email, email)
  })

  await fact.check('signing in before that is refused', async () => {
    const { error } = await client.auth.signInWithPassword({ email, password })
    assert.deepEqual([error.status, error.code], [400, 'email_not_confirmed'])
  })

  await fact.check('the letter leads to the application, with a session in the fragment', async () => {
    letter = await mail.letter(email)
    assert.equal(letter.message.from.text, '"Plants" <plants@example.com>')
    const place = await follow(letter.link)
    assert.equal(place.origin, SITE_URL)
    const fragment = new URLSearchParams(place.hash.slice(1))
    const tokens = { access_token: fragment.get('access_token'), refresh_token: fragment.get('refresh_token') }
    assert.equal(data(await client.auth.setSession(tokens)).user.email, email)
  })

  await fact.check('the link and the code work once', async () => {
    const place = await follow(letter.link)
    assert.equal(new URLSearchParams(place.hash.slice(1)).get('error_code'), 'otp_expired')
    const { error } = await plinth.anonymous().auth.verifyOtp({ email, token: letter.code, type: 'signup' })
    assert.equal(error.code, 'otp_expired')
  })

  await fact.check('the address and the password are a session from now on, with the profile a trigger made', async () => {
    data(await client.auth.signInWithPassword({ email, password }))
    assert.deepEqual(data(await client.from('profiles').select('name')), [{ name: 'Ann' }])
  })
  return client
}

async function recovery() {
  // Who has had a letter must wait a minute for the next.
  const email = address('cora')
  const password = 'a password of cora'
  data(await plinth.service().auth.admin.createUser({ email, password, email_confirm: true }))
  const client = plinth.anonymous({ flowType: 'pkce', storage: keeper(), persistSession: true })
  const another = 'another password of cora'

  await fact.check('a recovery with a code challenge opens only with its verifier, once', async () => {
    data(await client.auth.resetPasswordForEmail(email))
    const { link } = await mail.letter(email)
    const code = (await follow(link)).searchParams.get('code')
    const { error } = await plinth.anonymous().auth.exchangeCodeForSession(code)
    assert.ok(error)
    assert.equal(data(await client.auth.exchangeCodeForSession(code)).user.email, email)
  })

  await fact.check('the new password counts, the old one no longer', async () => {
    data(await client.auth.updateUser({ password: another }))
    const { error } = await plinth.anonymous().auth.signInWithPassword({ email, password })
    assert.deepEqual([error.status, error.code], [400, 'invalid_credentials'])
    data(await plinth.anonymous().auth.signInWithPassword({ email, password: another }))
  })
}

async function signInByCode() {
  const client = plinth.anonymous()
  const email = address('ben')

  await fact.check('a code in a letter signs in somebody new', async () => {
    data(await client.auth.signInWithOtp({ email }))
    const { code: token } = await mail.letter(email)
    const { user } = data(await client.auth.verifyOtp({ email, token, type: 'email' }))
    assert.equal(user.email, email)
    assert.deepEqual(data(await client.from('profiles').select('name')), [{ name: 'somebody' }])
  })
}

async function functions(client) {
  await fact.check('functions are called as whoever signed in, and their errors arrive whole', async () => {
    const plant = data(await client.from('plants').insert({ name: 'Fern', watered_on: '2026-01-01' }).select().single())
    assert.equal(data(await client.rpc('water', { plant: plant.id, on_day: '2026-02-01' })), '2026-02-08')
    const { error } = await client.rpc('water', { plant: plant.id + 1, on_day: '2026-02-01' })
    assert.deepEqual([error.code, error.hint], ['P0001', 'Only your own plants can be watered.'])
  })

  await fact.check('a function granted to those who are signed in is refused to strangers', async () => {
    assert.equal(data(await client.rpc('plants_of_all')), 1)
    const { error, status } = await plinth.anonymous().rpc('plants_of_all')
    assert.deepEqual([status, error.code], [401, '42501'])
  })
}

/** Where a client keeps its verifier and session. */
function keeper() {
  const kept = new Map()
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  }
}
