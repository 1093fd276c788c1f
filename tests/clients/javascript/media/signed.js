// Addresses that let in whoever has them, for a while: to read a file, or to write one.

import assert from 'node:assert/strict'

import { data, eventually } from '../stage.js'
import { bytes, noise, refused, refusedPlainly } from './answers.js'

export async function signed(fact, plinth, ann) {
  const documents = ann.client.storage.from('documents')
  const stranger = plinth.anonymous().storage.from('documents')
  const own = (name) => `${ann.id}/signed/${name}`
  const content = noise(50_000)
  data(await documents.upload(own('plan.bin'), content, { contentType: 'application/octet-stream' }))
  data(await documents.upload(own('other.bin'), 'another'))

  await fact.check('a signed address is read without an account', async () => {
    const { signedUrl } = data(await documents.createSignedUrl(own('plan.bin'), 60))
    assert.ok(signedUrl.startsWith(`${plinth.url}/storage/v1/object/sign/documents/`), signedUrl)
    const answer = await fetch(signedUrl)
    assert.equal(answer.status, 200)
    assert.deepEqual(await bytes(answer), content)
    assert.ok(Date.parse(answer.headers.get('expires')) > Date.now())
  })

  await fact.check('its token says for what it is and for how long, and never who one is', async () => {
    const { signedUrl } = data(await documents.createSignedUrl(own('plan.bin'), 60))
    const claims = JSON.parse(Buffer.from(token(signedUrl).split('.')[1], 'base64url'))
    assert.equal(claims.url, `documents/${own('plan.bin')}`)
    assert.equal(claims.exp - claims.iat, 60)
    assert.ok(!('role' in claims) && !('sub' in claims))
    const { error } = await plinth.anonymous().from('anything').select().setHeader('authorization', `Bearer ${token(signedUrl)}`)
    assert.ok(error, 'it opens nothing else')
  })

  await fact.check('it can make the browser save the file, under a name', async () => {
    const saved = data(await documents.createSignedUrl(own('plan.bin'), 60, { download: true })).signedUrl
    assert.match((await fetch(saved)).headers.get('content-disposition'), /^attachment/)
    const named = data(await documents.createSignedUrl(own('plan.bin'), 60, { download: 'my plan.bin' })).signedUrl
    assert.match((await fetch(named)).headers.get('content-disposition'), /^attachment; .*filename\*=UTF-8''my%20plan\.bin/)
  })

  await fact.check('several at once; what one may not see is told in its place', async () => {
    const [plan, missing, other] = data(
      await documents.createSignedUrls([own('plan.bin'), own('missing'), own('other.bin')], 60),
    )
    assert.deepEqual([plan.error, plan.path, other.path], [null, own('plan.bin'), own('other.bin')])
    assert.equal(missing.error, 'Either the object does not exist or you do not have access to it')
    assert.equal(missing.signedUrl, null)
    assert.deepEqual(await bytes(await fetch(plan.signedUrl)), content)
    refused(await documents.createSignedUrl(own('missing'), 60), '404', 'Object not found')
  })

  await fact.check('a token is for one file, and not to be changed', async () => {
    const { signedUrl } = data(await documents.createSignedUrl(own('plan.bin'), 60))
    const other = await fetch(signedUrl.replace('plan.bin', 'other.bin'))
    await refusedPlainly(other, '400', 'InvalidSignature', 'InvalidSignature', 'Invalid signature')
    const [head, claims, signature] = token(signedUrl).split('.')
    const wider = { ...JSON.parse(Buffer.from(claims, 'base64url')), exp: 4102444800 }
    const forged = [
      [head, Buffer.from(JSON.stringify(wider)).toString('base64url'), signature],
      [Buffer.from('{"alg":"none"}').toString('base64url'), claims, ''],
      [head, claims, `${signature.slice(0, -4)}AAAA`],
    ]
    for (const parts of forged) {
      const answer = await fetch(signedUrl.replace(token(signedUrl), parts.join('.')))
      assert.deepEqual([answer.status, (await answer.json()).code], [400, 'InvalidJWT'])
    }
    for (const text of ['', 'x', plinth.anonKey, ann.token]) {
      assert.equal((await fetch(signedUrl.replace(token(signedUrl), text))).status, 400)
    }
  })

  await fact.check('a thousand are signed at once, and neither more nor none', async () => {
    const many = Array(1000).fill(own('plan.bin'))
    const signed = data(await documents.createSignedUrls(many, 60))
    assert.deepEqual([signed.length, signed.filter((one) => one.error === null).length], [1000, 1000])
    const bounds = 'body/paths must have 1 to 1000 items'
    refused(await documents.createSignedUrls([...many, own('plan.bin')], 60), '400', bounds)
    refused(await documents.createSignedUrls([], 60), '400', bounds)
  })

  await fact.check('it ends when it said it would', async () => {
    const { signedUrl } = data(await documents.createSignedUrl(own('plan.bin'), 1))
    const body = await eventually(
      async () => ((answer) => (answer.ok ? answer.status : answer.json()))(await fetch(signedUrl)),
      (answer) => answer !== 200,
    )
    assert.equal(body.code, 'InvalidJWT')
    assert.ok((await documents.createSignedUrl(own('plan.bin'), 0)).error)
  })

  await fact.check('a signed upload needs no account, and puts one file in one place', async () => {
    const { signedUrl, token, path } = data(await documents.createSignedUploadUrl(own('sent.bin')))
    assert.equal(path, own('sent.bin'))
    assert.ok(signedUrl.startsWith(`${plinth.url}/storage/v1/object/upload/sign/documents/`))
    refused(await stranger.uploadToSignedUrl(own('elsewhere.bin'), token, content), '400', 'Invalid signature')
    const sent = data(await stranger.uploadToSignedUrl(own('sent.bin'), token, new Blob([content])))
    assert.equal(sent.fullPath, `documents/${own('sent.bin')}`)
    assert.deepEqual(await bytes(data(await documents.download(own('sent.bin')))), content)
    refused(await stranger.uploadToSignedUrl(own('sent.bin'), token, 'again'), '409', 'The resource already exists')
  })

  await fact.check('replacing has to be allowed when it is signed', async () => {
    refused(await documents.createSignedUploadUrl(own('sent.bin')), '409', 'The resource already exists')
    const { token } = data(await documents.createSignedUploadUrl(own('sent.bin'), { upsert: true }))
    data(await stranger.uploadToSignedUrl(own('sent.bin'), token, 'replaced'))
    assert.equal(await data(await documents.download(own('sent.bin'))).text(), 'replaced')
  })

  await fact.check('a token to read does not write, one to write does not read', async () => {
    const read = token(data(await documents.createSignedUrl(own('plan.bin'), 60)).signedUrl)
    const { error } = await stranger.uploadToSignedUrl(own('plan.bin'), read, 'x')
    assert.deepEqual([error.status, error.statusCode], [400, '400'])
    const write = data(await documents.createSignedUploadUrl(own('plan.bin'), { upsert: true })).token
    const answer = await fetch(`${plinth.url}/storage/v1/object/sign/documents/${own('plan.bin')}?token=${write}`)
    assert.deepEqual([answer.status, (await answer.json()).code], [400, 'InvalidSignature'])
  })
}

const token = (url) => new URL(url).searchParams.get('token')
