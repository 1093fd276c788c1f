// Who may do what: one's own folder, somebody else's, what is shared, and without an account.

import assert from 'node:assert/strict'

import { data } from '../stage.js'
import { bytes, noise, refused } from './answers.js'

const NO_PERMISSION = 'new row violates row-level security policy'

export async function policies(fact, plinth, ann, ben) {
  const secret = `${ben.id}/secret.txt`
  const text = 'nobody else reads this'
  data(await ben.client.storage.from('documents').upload(secret, text))
  const anns = ann.client.storage.from('documents')
  const bens = ben.client.storage.from('documents')
  const untouched = async () => assert.equal(await data(await bens.download(secret)).text(), text)

  await fact.check("somebody else's file is as if it were not there", async () => {
    refused(await anns.info(secret), '404', 'Object not found')
    refused(await anns.createSignedUrl(secret, 60), '404', 'Object not found')
    assert.equal((await anns.exists(secret)).data, false)
    const { error } = await anns.download(secret)
    assert.deepEqual([error.status, error.statusCode], [400, '404'])
    assert.deepEqual(data(await anns.list(ben.id)), [])
    assert.deepEqual(data(await anns.list()).map((folder) => folder.name), [ann.id])
    const { objects } = data(await anns.listV2({ prefix: ben.id }))
    assert.deepEqual(objects, [])
    const [one] = data(await anns.createSignedUrls([secret], 60))
    assert.deepEqual([one.signedUrl, one.error], [null, 'Either the object does not exist or you do not have access to it'])
  })

  await fact.check("nothing is put into somebody else's folder", async () => {
    refused(await anns.upload(`${ben.id}/gift.txt`, 'x'), '403', NO_PERMISSION)
    refused(await anns.upload(secret, 'x', { upsert: true }), '403', NO_PERMISSION)
    refused(await anns.createSignedUploadUrl(`${ben.id}/gift.txt`), '403', NO_PERMISSION)
    assert.ok((await anns.update(secret, 'x')).error)
    data(await anns.upload(`${ann.id}/mine.txt`, 'mine'))
    assert.ok((await anns.move(`${ann.id}/mine.txt`, `${ben.id}/mine.txt`)).error)
    refused(await anns.copy(`${ann.id}/mine.txt`, `${ben.id}/mine.txt`), '403', NO_PERMISSION)
    assert.equal(await data(await anns.download(`${ann.id}/mine.txt`)).text(), 'mine')
    assert.deepEqual(data(await bens.list(ben.id)).map((file) => file.name), ['secret.txt'])
    await untouched()
  })

  await fact.check("nothing is taken out of somebody else's folder", async () => {
    assert.deepEqual(data(await anns.remove([secret])), [])
    refused(await anns.move(secret, `${ann.id}/taken.txt`), '404', 'Object not found')
    refused(await anns.copy(secret, `${ann.id}/taken.txt`), '404', 'Object not found')
    await untouched()
  })

  await fact.check('a refusal comes before the bytes are wanted', async () => {
    // One byte is sent, and no other ever.
    const beginning = new ReadableStream({ start: (body) => body.enqueue(new Uint8Array(1)) })
    const answer = await fetch(`${plinth.url}/storage/v1/object/documents/${ben.id}/big.bin`, {
      method: 'POST',
      headers: { apikey: plinth.anonKey, authorization: `Bearer ${ann.token}`, 'content-type': 'application/zip' },
      body: beginning,
      duplex: 'half',
      signal: AbortSignal.timeout(5_000),
    })
    assert.deepEqual([answer.status, (await answer.json()).code], [400, 'AccessDenied'])
  })

  await fact.check('what is shared is read by all who are signed in, and changed by who shared it', async () => {
    const [fromAnn, fromBen] = [ann, ben].map((person) => person.client.storage.from('shared'))
    const content = noise(10_000)
    data(await fromAnn.upload('news/today.bin', content))
    assert.deepEqual(await bytes(data(await fromBen.download('news/today.bin'))), content)
    refused(await fromBen.upload('news/today.bin', 'x', { upsert: true }), '403', NO_PERMISSION)
    assert.deepEqual(data(await fromBen.remove(['news/today.bin'])), [])
    data(await fromAnn.upload('news/today.bin', 'again', { upsert: true }))
    assert.equal(await data(await fromBen.download('news/today.bin')).text(), 'again')
    assert.equal(data(await fromAnn.remove(['news/today.bin'])).length, 1)
  })

  await fact.check('a policy may look at the type of what is to come', async () => {
    const shared = ann.client.storage.from('shared')
    refused(await shared.upload('game.exe', 'MZ', { contentType: 'application/x-msdownload' }), '403', NO_PERMISSION)
    data(await shared.upload('game.txt', 'rules', { contentType: 'text/plain' }))
  })

  await fact.check('without an account there is nothing private', async () => {
    const stranger = plinth.anonymous().storage.from('documents')
    refused(await stranger.upload(`${ann.id}/x.txt`, 'x'), '403', NO_PERMISSION)
    assert.equal((await stranger.download(secret)).error.statusCode, '404')
    refused(await stranger.info(secret), '404', 'Object not found')
    assert.deepEqual(data(await stranger.list(ben.id)), [])
    assert.deepEqual(data(await stranger.remove([secret])), [])
    await untouched()
  })

  await fact.check('whoever has the service key passes every policy', async () => {
    const all = plinth.service().storage.from('documents')
    assert.equal(await data(await all.download(secret)).text(), text)
    data(await all.upload(`${ben.id}/from the office.txt`, 'hello'))
    assert.equal(await data(await bens.download(`${ben.id}/from the office.txt`)).text(), 'hello')
    assert.equal(data(await all.remove([`${ben.id}/from the office.txt`])).length, 1)
  })
}
