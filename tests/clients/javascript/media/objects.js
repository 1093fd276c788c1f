// One's own files: every form of body, what is kept of them, and how they are moved, copied and removed.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'

import { data } from '../stage.js'
import { UUID, bytes, etag, noise, refused, refusedPlainly } from './answers.js'

const MIB = 1024 * 1024

export async function objects(fact, plinth, ann) {
  const documents = ann.client.storage.from('documents')
  const own = (name) => `${ann.id}/${name}`
  const content = noise(300_000)
  const read = async (name) => bytes(data(await documents.download(own(name))))

  const forms = {
    'a Buffer': content,
    'an ArrayBuffer': content.buffer.slice(content.byteOffset, content.byteOffset + content.length),
    'a Uint8Array': new Uint8Array(content),
    'a Blob': new Blob([content], { type: 'image/png' }),
    'a File': new File([content], 'from a form.bin', { type: 'application/pdf' }),
    'a FormData': form(content),
    'a stream of Node': Readable.from(pieces(content)),
    'a stream of the web': Readable.toWeb(Readable.from(pieces(content))),
  }
  for (const [form, body] of Object.entries(forms)) {
    await fact.check(`${form} is stored as it is`, async () => {
      const path = own(`forms/${form}.bin`)
      const stored = data(await documents.upload(path, body))
      assert.match(stored.id, UUID)
      assert.deepEqual([stored.path, stored.fullPath], [path, `documents/${path}`])
      assert.deepEqual(await read(`forms/${form}.bin`), content)
    })
  }

  await fact.check('a text is stored as UTF-8, and nothing as nothing', async () => {
    data(await documents.upload(own('text.txt'), 'Grüße aus Köln', { contentType: 'text/plain; charset=utf-8' }))
    assert.equal(await data(await documents.download(own('text.txt'))).text(), 'Grüße aus Köln')
    data(await documents.upload(own('nothing'), new Blob([])))
    assert.equal(data(await documents.download(own('nothing'))).size, 0)
  })

  await fact.check('the type is what a file says or is said of it', async () => {
    const type = async (name) => data(await documents.info(own(name))).contentType
    assert.equal(await type('forms/a Blob.bin'), 'image/png')
    assert.equal(await type('forms/a File.bin'), 'application/pdf')
    data(await documents.upload(own('plan.json'), Buffer.from('{}'), { contentType: 'application/json' }))
    assert.equal(await type('plan.json'), 'application/json')
  })

  await fact.check('a name is taken until it is meant to be replaced', async () => {
    data(await documents.upload(own('plan.txt'), 'one'))
    refused(await documents.upload(own('plan.txt'), 'two'), '409', 'The resource already exists')
    assert.equal((await read('plan.txt')).toString(), 'one')
    data(await documents.upload(own('plan.txt'), 'two', { upsert: true }))
    assert.equal((await read('plan.txt')).toString(), 'two')
    data(await documents.update(own('plan.txt'), 'three', { cacheControl: '60' }))
    assert.equal((await read('plan.txt')).toString(), 'three')
  })

  await fact.check('what is known of a file: size, tag, times, and what its owner says', async () => {
    const metadata = { title: 'Grundriss', pages: 3, tags: ['house', 'garden'] }
    const before = Date.now()
    data(await documents.upload(own('house.pdf'), content, { contentType: 'application/pdf', cacheControl: '60', metadata }))
    const info = data(await documents.info(own('house.pdf')))
    assert.match(info.id, UUID)
    assert.deepEqual([info.name, info.bucketId], [own('house.pdf'), 'documents'])
    assert.deepEqual([info.size, info.etag], [content.length, etag(content)])
    assert.deepEqual([info.contentType, info.cacheControl], ['application/pdf', 'max-age=60'])
    assert.deepEqual(info.metadata, metadata)
    assert.ok(Math.abs(Date.parse(info.createdAt) - before) < 60_000, info.createdAt)
    data(await documents.upload(own('house as a form.pdf'), new Blob([content]), { metadata }))
    assert.deepEqual(data(await documents.info(own('house as a form.pdf'))).metadata, metadata)
  })

  await fact.check('what its owner says may be a mebibyte, and is an object', async () => {
    const headers = { apikey: plinth.anonKey, authorization: `Bearer ${ann.token}` }
    const much = { a: 'x'.repeat(MIB - '{"a":""}'.length) }
    const send = (method, name, metadata) => {
      const body = new FormData()
      body.append('metadata', metadata)
      body.append('', new Blob(['a file']), 'a.txt')
      return fetch(`${plinth.url}/storage/v1/object/documents/${own(name)}`, { method, headers, body })
    }
    for (const method of ['POST', 'PUT']) {
      assert.equal((await send(method, `much said ${method}.txt`, JSON.stringify(much))).status, 200, method)
      assert.deepEqual(data(await documents.info(own(`much said ${method}.txt`))).metadata, much)
      const nonsense = await send(method, 'nonsense.txt', '[1]')
      await refusedPlainly(nonsense, '400', 'InvalidParameter', 'InvalidParameter', 'Invalid Parameter metadata')
    }
    assert.deepEqual(data(await documents.list(ann.id, { search: 'nonsense' })), [])
  })

  await fact.check('whether a file is there can be asked', async () => {
    assert.equal(data(await documents.exists(own('plan.txt'))), true)
    assert.equal((await documents.exists(own('no plan.txt'))).data, false)
    refused(await documents.info(own('no plan.txt')), '404', 'Object not found')
    const { error } = await documents.download(own('no plan.txt'))
    assert.deepEqual([error.status, error.statusCode, error.message], [400, '404', 'Object not found'])
  })

  await fact.check('a moved file is the same file under another name', async () => {
    const before = data(await documents.info(own('house.pdf')))
    assert.deepEqual(data(await documents.move(own('house.pdf'), own('moved/house.pdf'))), { message: 'Successfully moved' })
    refused(await documents.info(own('house.pdf')), '404', 'Object not found')
    const after = data(await documents.info(own('moved/house.pdf')))
    assert.deepEqual([after.id, after.etag, after.metadata], [before.id, before.etag, before.metadata])
    assert.deepEqual(await read('moved/house.pdf'), content)
    refused(await documents.move(own('not there'), own('anywhere')), '404', 'Object not found')
    refused(await documents.move(own('plan.txt'), own('moved/house.pdf')), '409', 'The resource already exists')
  })

  await fact.check('a copy is another file of the same bytes', async () => {
    const copied = data(await documents.copy(own('moved/house.pdf'), own('copies/house.pdf')))
    assert.equal(copied.path, `documents/${own('copies/house.pdf')}`)
    const [one, other] = [data(await documents.info(own('moved/house.pdf'))), data(await documents.info(own('copies/house.pdf')))]
    assert.notEqual(one.id, other.id)
    assert.deepEqual([one.size, one.etag, one.metadata], [other.size, other.etag, other.metadata])
    assert.deepEqual(await read('copies/house.pdf'), content)
    refused(await documents.copy(own('plan.txt'), own('copies/house.pdf')), '409', 'The resource already exists')
    data(await documents.copy(own('plan.txt'), own('plan.txt'), { destinationBucket: 'pictures' }))
    assert.equal((await bytes(data(await ann.client.storage.from('pictures').download(own('plan.txt'))))).toString(), 'three')
  })

  await fact.check('neither of two copies ends with the other', async () => {
    data(await documents.remove([own('moved/house.pdf')]))
    assert.deepEqual(await read('copies/house.pdf'), content)
  })

  await fact.check('what is removed is gone, and what is not there is not told', async () => {
    data(await documents.upload(own('brief.txt'), 'not for long'))
    const removed = data(await documents.remove([own('brief.txt'), own('never there')]))
    assert.deepEqual(
      removed.map((file) => file.name),
      [own('brief.txt')],
    )
    refused(await documents.info(own('brief.txt')), '404', 'Object not found')
    data(await documents.upload(own('brief.txt'), 'again'))
    assert.equal((await read('brief.txt')).toString(), 'again')
  })

  await fact.check('a thousand names are removed at once, and neither more nor none', async () => {
    data(await documents.upload(own('last of many.txt'), 'x'))
    const many = [...Array(999).keys()].map((number) => own(`not there ${number}`))
    const bounds = 'body/prefixes must have 1 to 1000 items'
    refused(await documents.remove([...many, own('not there'), own('last of many.txt')]), '400', bounds)
    refused(await documents.remove([]), '400', bounds)
    assert.equal(data(await documents.exists(own('last of many.txt'))), true)
    const removed = data(await documents.remove([...many, own('last of many.txt')]))
    assert.deepEqual(
      removed.map((file) => file.name),
      [own('last of many.txt')],
    )
  })

  await fact.check('names hold what Supabase lets them hold, and nothing else', async () => {
    const odd = "odd/Ann's plan (2) & more + 100 = $7, @home; 9:30!*.txt"
    data(await documents.upload(own(odd), 'odd'))
    assert.equal((await read(odd)).toString(), 'odd')
    assert.equal(data(await documents.info(own(odd))).name, own(odd))
    data(await documents.remove([own(odd)]))
    for (const name of ['über.txt', 'a[1].txt', 'a^b', 'a|b', 'a~b', '写真.png']) {
      refused(await documents.upload(own(name), 'x'), '400', `Invalid key: ${own(name)}`)
    }
  })

  await fact.check('two who write one name at once: one is first, and the file is one of the two', async () => {
    const sides = [noise(200_000), noise(200_000)]
    const both = await Promise.all(sides.map((side) => documents.upload(own('race.bin'), side)))
    assert.deepEqual(both.map(({ error }) => error?.statusCode ?? 'stored').sort(), ['409', 'stored'])
    const winner = both.findIndex(({ error }) => !error)
    assert.deepEqual(await read('race.bin'), sides[winner])
    const upserts = await Promise.all(sides.map((side) => documents.upload(own('race.bin'), side, { upsert: true })))
    upserts.forEach(data)
    const kept = await read('race.bin')
    assert.ok(sides.some((side) => side.equals(kept)))
  })
}

/** As a page's form sends it. The fields come before the file. */
function form(content) {
  const form = new FormData()
  form.append('cacheControl', '3600')
  form.append('file', new Blob([content]), 'form.bin')
  return form
}

function* pieces(content) {
  for (let at = 0; at < content.length; at += 50_000) yield content.subarray(at, at + 50_000)
}
