// Uploads that survive bad networks: tus-js-client, and what its protocol says where the client does not show it.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import * as tus from 'tus-js-client'

import { data, eventually } from '../stage.js'
import { bytes, noise } from './answers.js'

const MIB = 1024 * 1024
/** A server that was killed is back long before this is over. */
const PATIENCE = Array(100).fill(100)

export async function resumable(fact, plinth, ann, ben) {
  const documents = ann.client.storage.from('documents')
  const endpoint = `${plinth.url}/storage/v1/upload/resumable`
  const own = (name) => `${ann.id}/resumable/${name}`
  const read = async (name) => bytes(data(await documents.download(own(name))))
  const content = noise(6 * MIB + 12_345)

  /** What every upload of Ann's needs; `more` goes over it. */
  const options = (name, more = {}) => ({
    endpoint,
    headers: { apikey: plinth.anonKey, authorization: `Bearer ${ann.token}` },
    metadata: { bucketName: 'documents', objectName: own(name), contentType: 'application/zip', cacheControl: '3600' },
    chunkSize: MIB,
    retryDelays: null,
    ...more,
  })
  /** A request without the client, as Ann. */
  const plainly = (method, url, headers = {}, body = undefined) => {
    const always = { 'tus-resumable': '1.0.0', apikey: plinth.anonKey, authorization: `Bearer ${ann.token}` }
    return fetch(url, { method, headers: { ...always, ...headers }, body })
  }
  const create = (name, headers = {}) => {
    const metadata = { bucketName: 'documents', objectName: own(name), contentType: 'application/zip' }
    return plainly('POST', endpoint, { 'upload-length': '1000', 'upload-metadata': encoded(metadata), ...headers })
  }
  const patch = (url, offset, body, headers = {}) => {
    const always = { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' }
    return plainly('PATCH', url, { ...always, ...headers }, body)
  }
  const offset = async (url) => Number((await plainly('HEAD', url)).headers.get('upload-offset'))

  await fact.check('it says what it can', async () => {
    const answer = await fetch(endpoint, { method: 'OPTIONS' })
    assert.equal(answer.status, 204)
    assert.deepEqual([answer.headers.get('tus-resumable'), answer.headers.get('tus-version')], ['1.0.0', '1.0.0'])
    const extensions = answer.headers.get('tus-extension').split(',')
    for (const one of ['creation', 'creation-with-upload', 'expiration', 'termination', 'checksum']) {
      assert.ok(extensions.includes(one), `${one} is not in ${extensions}`)
    }
    assert.equal(answer.headers.get('tus-max-size'), '20000000')
  })

  await fact.check('a file comes in pieces and is there as a whole', async () => {
    const metadata = { ...options('pieces.zip').metadata, metadata: JSON.stringify({ title: 'Pieces' }) }
    await upload(content, options('pieces.zip', { metadata }))
    assert.deepEqual(await read('pieces.zip'), content)
    const info = data(await documents.info(own('pieces.zip')))
    assert.deepEqual([info.size, info.contentType, info.cacheControl], [content.length, 'application/zip', 'max-age=3600'])
    assert.deepEqual(info.metadata, { title: 'Pieces' })
  })

  await fact.check('in one piece, with the first request, of unknown length, and of no length at all', async () => {
    await upload(content, options('one.zip', { chunkSize: Infinity }))
    assert.deepEqual(await read('one.zip'), content)
    await upload(content, options('first.zip', { uploadDataDuringCreation: true }))
    assert.deepEqual(await read('first.zip'), content)
    await upload(Readable.from([content]), options('stream.zip', { uploadLengthDeferred: true }))
    assert.deepEqual(await read('stream.zip'), content)
    await upload(Buffer.alloc(0), options('nothing.zip'))
    assert.deepEqual(await read('nothing.zip'), Buffer.alloc(0))
  })

  await fact.check('nothing is to be seen before the last byte', async () => {
    const location = (await create('unfinished.zip')).headers.get('location')
    assert.equal((await patch(location, 0, noise(999))).status, 204)
    assert.equal((await documents.exists(own('unfinished.zip'))).data, false)
    assert.equal((await patch(location, 999, noise(1))).status, 204)
    assert.equal(data(await documents.info(own('unfinished.zip'))).size, 1000)
  })

  await fact.check('what was broken off goes on where it was', async () => {
    const remembered = { urlStorage: new tus.FileUrlStorage(join(plinth.home, 'uploads.json')) }
    await new Promise((stopped, failed) => {
      const first = new tus.Upload(content, {
        ...options('resumed.zip', remembered),
        onChunkComplete: (_, accepted) => accepted >= 3 * MIB && first.abort().then(stopped, failed),
        onError: failed,
      })
      first.start()
    })
    const offsets = []
    const second = new tus.Upload(content, {
      ...options('resumed.zip', { ...remembered, retryDelays: PATIENCE }),
      onBeforeRequest: (sent) => void (sent.getMethod() === 'PATCH' && offsets.push(Number(sent.getHeader('Upload-Offset')))),
    })
    const [previous] = await second.findPreviousUploads()
    second.resumeFromPreviousUpload(previous)
    await finished(second)
    assert.ok(offsets[0] >= 3 * MIB, `it began at ${offsets[0]}`)
    assert.deepEqual(await read('resumed.zip'), content)
  })

  await fact.check('kill -9 between two pieces: the client goes on with the restarted server', async () => {
    const offsets = []
    let restarted
    await upload(
      content,
      options('killed.zip', {
        retryDelays: PATIENCE,
        onChunkComplete: (_, accepted) => {
          if (accepted >= 3 * MIB) restarted ??= plinth.kill().then(() => plinth.serve())
        },
        onBeforeRequest: (sent) => {
          if (sent.getMethod() === 'PATCH') offsets.push(Number(sent.getHeader('Upload-Offset')))
        },
      }),
    )
    await restarted
    assert.ok(restarted, 'it was killed')
    assert.ok(offsets.filter((at) => at === 0).length === 1, `it did not begin again: ${offsets}`)
    assert.deepEqual(await read('killed.zip'), content)
  })

  await fact.check('kill -9 in the middle of a piece: the same', async () => {
    let restarted
    await upload(
      content,
      options('killed within.zip', {
        chunkSize: Infinity,
        retryDelays: PATIENCE,
        onProgress: (sent) => {
          if (sent > 2 * MIB) restarted ??= plinth.kill().then(() => plinth.serve())
        },
      }),
    )
    await restarted
    assert.ok(restarted, 'it was killed')
    assert.deepEqual(await read('killed within.zip'), content)
  })

  await fact.check('a piece that does not fit to what is there is a 409, and changes nothing', async () => {
    const location = (await create('offsets.zip')).headers.get('location')
    for (const wrong of [5, 1000, 4_000_000_000]) assert.equal((await patch(location, wrong, 'x')).status, 409)
    assert.equal((await patch(location, 0, noise(400))).status, 204)
    assert.equal((await patch(location, 0, noise(400))).status, 409)
    assert.equal(await offset(location), 400)
    for (const wrong of ['-1', 'x', '']) assert.equal((await patch(location, wrong, 'x')).status, 400)
    const more = await patch(location, 400, noise(601))
    assert.ok([400, 413].includes(more.status), `more than was announced: ${more.status}`)
    assert.ok((await offset(location)) <= 1000)
  })

  await fact.check('while one piece is on its way, another is a 423', async () => {
    const location = (await create('locked.zip')).headers.get('location')
    const slow = await beginPiece(location, ann)
    assert.equal((await patch(location, 0, noise(1000))).status, 423)
    slow.destroy()
    const content = noise(1000)
    await eventually(
      async () => (await patch(location, 0, content)).status,
      (status) => status === 204,
    )
    assert.deepEqual(await read('locked.zip'), content)
  })

  await fact.check('a piece with a checksum is looked at', async () => {
    const location = (await create('checked.zip')).headers.get('location')
    const content = noise(1000)
    const sum = (algorithm, of) => ({ 'upload-checksum': `${algorithm} ${createHash(algorithm).update(of).digest('base64')}` })
    assert.equal((await patch(location, 0, content, sum('sha1', 'something else'))).status, 460)
    assert.equal(await offset(location), 0)
    assert.equal((await patch(location, 0, content, { 'upload-checksum': 'crc7 AAAA' })).status, 400)
    assert.equal((await patch(location, 0, content, sum('sha1', content))).status, 204)
    assert.deepEqual(await read('checked.zip'), content)
  })

  await fact.check('an upload can be given up', async () => {
    const location = (await create('given up.zip')).headers.get('location')
    assert.equal((await patch(location, 0, noise(500))).status, 204)
    assert.equal((await plainly('DELETE', location)).status, 204)
    assert.ok([404, 410].includes((await plainly('HEAD', location)).status))
    assert.ok([404, 410].includes((await patch(location, 500, noise(500))).status))
  })

  await fact.check('what cannot be is refused before the first byte, with its true status', async () => {
    data(await documents.upload(own('there.zip'), 'there'))
    const status = async (headers, objectName = own('new.zip'), bucketName = 'documents') =>
      (await create('', { 'upload-metadata': encoded({ bucketName, objectName }), ...headers })).status
    assert.equal(await status({ 'upload-length': '20000001' }), 413)
    assert.equal(await status({}, own('there.zip')), 409)
    assert.equal(await status({ 'x-upsert': 'true' }, own('there.zip')), 201)
    assert.equal(await status({}, `${ben.id}/gift.zip`), 403)
    assert.equal(await status({}, own('new.zip'), 'nowhere'), 404)
    assert.equal(await status({}, own('ü.zip')), 400)
    assert.equal(await status({ 'upload-metadata': '' }), 400)
    assert.equal(await status({ 'upload-length': '-1' }), 400)
    assert.equal(await status({ 'tus-resumable': '0.2.2' }), 412)
    assert.equal((await plainly('HEAD', `${endpoint}/bm93aGVyZQ`)).status, 404)
  })

  await fact.check("nobody goes on with somebody else's upload", async () => {
    const location = (await create('mine.zip')).headers.get('location')
    const bens = { authorization: `Bearer ${ben.token}` }
    for (const answer of [
      await plainly('HEAD', location, bens),
      await patch(location, 0, noise(10), bens),
      await plainly('DELETE', location, bens),
    ]) {
      assert.ok([403, 404].includes(answer.status), String(answer.status))
    }
    assert.equal(await offset(location), 0)
  })

  await fact.check('a signed upload goes in pieces, too, without an account', async () => {
    const { token } = data(await documents.createSignedUploadUrl(own('signed.zip')))
    const signed = { endpoint: `${endpoint}/sign`, headers: { apikey: plinth.anonKey, 'x-signature': token } }
    await upload(content, options('signed.zip', signed))
    assert.deepEqual(await read('signed.zip'), content)
    await assert.rejects(upload(content, options('not signed.zip', signed)))
  })

  await fact.check('an upload ends when it said it would', async () => {
    const created = await create('late.zip')
    const location = created.headers.get('location')
    assert.ok(Date.parse(created.headers.get('upload-expires')) > Date.now())
    await plinth.run('sql', plinth.folder, '-c', "update storage.uploads set expires_at = now() - interval '1 second'")
    assert.ok([404, 410].includes((await plainly('HEAD', location)).status))
    assert.ok([404, 410].includes((await patch(location, 0, noise(1000))).status))
  })

  await fact.check('behind a proxy the address is the one that the client knows', async () => {
    const outside = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'files.example.com' }
    const location = (await create('proxied.zip', outside)).headers.get('location')
    assert.ok(location.startsWith('https://files.example.com/storage/v1/upload/resumable/'), location)
  })
}

/** A piece of 1000 bytes of which none comes; done when the server has begun with it, which it says by asking for the body. */
export async function beginPiece(location, person) {
  const headers = {
    'tus-resumable': '1.0.0',
    'upload-offset': '0',
    'content-type': 'application/offset+octet-stream',
    'content-length': '1000',
    expect: '100-continue',
    authorization: `Bearer ${person.token}`,
  }
  const piece = request(location, { method: 'PATCH', headers })
  piece.on('error', () => {})
  piece.flushHeaders()
  await once(piece, 'continue')
  return piece
}

/** Sends all of it; done when the server has it. */
export const upload = (content, options) => finished(new tus.Upload(content, options))

function finished(upload) {
  return new Promise((done, failed) => {
    upload.options.onSuccess = done
    upload.options.onError = failed
    upload.start()
  })
}

/** `Upload-Metadata`: names, and values in base64. */
export function encoded(metadata) {
  const pairs = Object.entries(metadata).map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
  return pairs.join(',')
}
