// Two nodes on one database and one store of files: what begins at one goes on at the other.

import assert from 'node:assert/strict'

import { Plinth, data } from '../stage.js'
import { bytes, noise } from './answers.js'
import { beginPiece, encoded, upload } from './resumable.js'

export async function nodes(fact, plinth, ann) {
  const other = new Plinth(plinth.binary, plinth.app, plinth.settings)
  try {
    await other.start()
    await stories(fact, plinth, other, ann)
  } finally {
    await other.clean()
  }
}

async function stories(fact, one, other, ann) {
  const here = ann.client.storage.from('documents')
  const there = other.anonymous().storage.setHeader('authorization', `Bearer ${ann.token}`).from('documents')
  const own = (name) => `${ann.id}/nodes/${name}`
  const content = noise(3_000_000)
  const headers = { 'tus-resumable': '1.0.0', apikey: one.anonKey, authorization: `Bearer ${ann.token}` }
  const create = async (name, length) => {
    const metadata = encoded({ bucketName: 'documents', objectName: own(name), contentType: 'application/zip' })
    const answer = await fetch(`${one.url}/storage/v1/upload/resumable`, {
      method: 'POST',
      headers: { ...headers, 'upload-length': String(length), 'upload-metadata': metadata },
    })
    return answer.headers.get('location')
  }
  const patch = (location, offset, body) =>
    fetch(location, {
      method: 'PATCH',
      headers: { ...headers, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      body,
    })
  const elsewhere = (location) => location.replace(one.url, other.url)

  await fact.check('a file is there at every node when it is acknowledged by one', async () => {
    data(await here.upload(own('plain.bin'), content))
    assert.deepEqual(await bytes(data(await there.download(own('plain.bin')))), content)
    data(await there.upload(own('plain.bin'), 'replaced', { upsert: true }))
    assert.equal(await data(await here.download(own('plain.bin'))).text(), 'replaced')
    data(await there.remove([own('plain.bin')]))
    assert.equal((await here.exists(own('plain.bin'))).data, false)
  })

  await fact.check('an address signed by one node opens at the other', async () => {
    data(await here.upload(own('signed.bin'), content))
    const { signedUrl } = data(await here.createSignedUrl(own('signed.bin'), 60))
    assert.deepEqual(await bytes(await fetch(elsewhere(signedUrl))), content)
  })

  await fact.check('an upload in pieces goes on at another node', async () => {
    const location = await create('pieces.zip', content.length)
    assert.equal((await patch(location, 0, content.subarray(0, 1_000_000))).status, 204)
    await upload(content, { uploadUrl: elsewhere(location), headers, chunkSize: 500_000, retryDelays: null })
    assert.deepEqual(await bytes(data(await here.download(own('pieces.zip')))), content)
    assert.deepEqual(await bytes(data(await there.download(own('pieces.zip')))), content)
  })

  await fact.check('two nodes do not write one upload at once', async () => {
    const location = await create('locked.zip', 1000)
    const slow = await beginPiece(location, ann)
    assert.equal((await patch(elsewhere(location), 0, noise(1000))).status, 423)
    slow.destroy()
  })
}
