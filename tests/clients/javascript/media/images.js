// Pictures in the size that is wanted.

import assert from 'node:assert/strict'

import { data } from '../stage.js'
import { bytes, refusedPlainly } from './answers.js'
import { bomb, look, png } from './pictures.js'

export async function images(fact, plinth, ann, ben) {
  const pictures = ann.client.storage.from('pictures')
  const documents = ann.client.storage.from('documents')
  const photo = `${ann.id}/landscape.png`
  const original = png(400, 300)
  data(await pictures.upload(photo, original, { contentType: 'image/png' }))
  data(await documents.upload(photo, original, { contentType: 'image/png' }))
  const render = (transform, headers = {}) => fetch(pictures.getPublicUrl(photo, { transform }).data.publicUrl, { headers })
  const picture = async (answer) => {
    assert.equal(answer.status, 200, await (answer.ok ? '' : answer.text()))
    return look(await bytes(answer))
  }

  await fact.check('width and height: cover cuts, contain fits in, fill bends', async () => {
    const both = { width: 100, height: 100 }
    assert.deepEqual(await picture(await render(both)), { type: 'png', width: 100, height: 100 })
    assert.deepEqual(await picture(await render({ ...both, resize: 'cover' })), { type: 'png', width: 100, height: 100 })
    assert.deepEqual(await picture(await render({ ...both, resize: 'contain' })), { type: 'png', width: 100, height: 75 })
    assert.deepEqual(await picture(await render({ ...both, resize: 'fill' })), { type: 'png', width: 100, height: 100 })
  })

  await fact.check('one side alone keeps the shape', async () => {
    assert.deepEqual(await picture(await render({ width: 200 })), { type: 'png', width: 200, height: 150 })
    assert.deepEqual(await picture(await render({ height: 60 })), { type: 'png', width: 80, height: 60 })
  })

  await fact.check('a client that understands WebP gets it, unless the original is asked for', async () => {
    const browser = { accept: 'image/avif,image/webp,*/*' }
    const answer = await render({ width: 100 }, browser)
    assert.equal(answer.headers.get('content-type'), 'image/webp')
    assert.match(answer.headers.get('vary') ?? '', /accept/i)
    assert.deepEqual(await picture(answer), { type: 'webp', width: 100, height: 75 })
    assert.equal((await picture(await render({ width: 100, format: 'origin' }, browser))).type, 'png')
    assert.equal((await picture(await render({ width: 100 }, { accept: 'image/png' }))).type, 'png')
  })

  await fact.check('less quality is fewer bytes', async () => {
    const size = async (quality) => (await bytes(await render({ width: 300, quality }, { accept: 'image/webp' }))).length
    const [poor, good] = [await size(20), await size(95)]
    assert.ok(poor < good, `${poor} and ${good} bytes`)
  })

  await fact.check('caches may keep it: a second look is a 304', async () => {
    const first = await render({ width: 50 })
    const tag = first.headers.get('etag')
    assert.ok(tag && first.headers.get('cache-control'))
    assert.equal(first.headers.get('x-content-type-options'), 'nosniff')
    assert.ok(first.headers.get('x-transformations'))
    assert.equal((await render({ width: 50 }, { 'if-none-match': tag })).status, 304)
  })

  await fact.check('whoever may see the picture may see it small, and nobody else', async () => {
    const small = data(await documents.download(photo, { transform: { width: 40, height: 40 } }))
    assert.deepEqual(look(await bytes(small)), { type: 'png', width: 40, height: 40 })
    const foreign = await ben.client.storage.from('documents').download(photo, { transform: { width: 40 } })
    assert.deepEqual([foreign.error.status, foreign.error.statusCode], [400, '404'])
    const open = documents.getPublicUrl(photo, { transform: { width: 40 } }).data.publicUrl
    assert.equal((await (await fetch(open)).json()).code, 'NoSuchBucket')
  })

  await fact.check('a signed address has its size in the token', async () => {
    const transform = { width: 120, height: 90 }
    const { signedUrl } = data(await documents.createSignedUrl(photo, 60, { transform }))
    assert.ok(signedUrl.startsWith(`${plinth.url}/storage/v1/render/image/sign/documents/`), signedUrl)
    assert.deepEqual(await picture(await fetch(signedUrl)), { type: 'png', width: 120, height: 90 })
    assert.deepEqual(await picture(await fetch(`${signedUrl}&width=390`)), { type: 'png', width: 120, height: 90 })
    const whole = signedUrl.replace('/render/image/sign/', '/object/sign/')
    await refusedPlainly(await fetch(whole), '400', 'InvalidSignature', 'InvalidSignature', 'Invalid signature')
  })

  await fact.check('a picture that was replaced is not shown any more', async () => {
    const path = `${ann.id}/changing.png`
    const url = pictures.getPublicUrl(path, { transform: { width: 100 } }).data.publicUrl
    data(await pictures.upload(path, png(400, 300), { contentType: 'image/png' }))
    assert.equal((await picture(await fetch(url))).height, 75)
    data(await pictures.upload(path, png(400, 400), { contentType: 'image/png', upsert: true }))
    assert.equal((await picture(await fetch(url))).height, 100)
  })

  await fact.check('sizes and words that are none are refused', async () => {
    const base = `${plinth.url}/storage/v1/render/image/public/pictures/${photo}`
    const refusals = {
      'width=-1': 'width must be a whole number',
      'width=x': 'width must be a whole number',
      'resize=stretch&width=9': 'resize must be cover, contain or fill',
      'quality=101&width=9': 'quality must be between 20 and 100',
      'format=bmp&width=9': 'format must be origin, webp or avif',
    }
    for (const [query, message] of Object.entries(refusals)) {
      await refusedPlainly(await fetch(`${base}?${query}`), '400', 'InvalidRequest', 'InvalidRequest', message)
    }
  })

  await fact.check('what is no picture, and what would be far too many pixels, is refused at once', async () => {
    // Of the last the header alone is looked at: whoever began to decode it would find it broken.
    const contents = {
      'text.png': [Buffer.from('just text'), 'The object is not an image that this server reads'],
      'cut.png': [original.subarray(0, 500), 'The image is broken'],
      'bomb.png': [bomb(60_000, 60_000), 'The image has 3600000000 pixels, and 50000000 are the most'],
    }
    for (const [name, [content, message]] of Object.entries(contents)) {
      data(await pictures.upload(`${ann.id}/${name}`, content, { contentType: 'image/png' }))
      const url = pictures.getPublicUrl(`${ann.id}/${name}`, { transform: { width: 10 } }).data.publicUrl
      const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) })
      await refusedPlainly(answer, '400', 'InvalidRequest', 'InvalidRequest', message)
    }
    assert.equal((await picture(await render({ width: 100 }))).width, 100)
  })
}
