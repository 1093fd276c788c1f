// How files are handed out, seen from a browser or a proxy: plain requests, no library.

import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'

import { data } from '../stage.js'
import { bytes, etag, noise, refusedPlainly } from './answers.js'

export async function delivery(fact, plinth, ann) {
  const pictures = ann.client.storage.from('pictures')
  const own = (name) => `${ann.id}/${name}`
  const content = noise(100_000)
  data(await pictures.upload(own('photo.jpg'), content, { contentType: 'image/jpeg', cacheControl: '7200' }))
  const url = pictures.getPublicUrl(own('photo.jpg')).data.publicUrl
  const part = async (range, more = {}) => fetch(url, { headers: { range, ...more } })

  await fact.check('a file of a public bucket is read by everybody, with all that caches want to know', async () => {
    const answer = await fetch(url)
    assert.equal(answer.status, 200)
    assert.deepEqual(await bytes(answer), content)
    const said = (name) => answer.headers.get(name)
    assert.deepEqual([said('content-type'), said('content-length')], ['image/jpeg', '100000'])
    assert.deepEqual([said('etag'), said('cache-control')], [etag(content), 'max-age=7200'])
    assert.ok(Math.abs(Date.parse(said('last-modified')) - Date.now()) < 60_000)
    assert.deepEqual([said('accept-ranges'), said('x-content-type-options')], ['bytes', 'nosniff'])
    assert.equal(said('access-control-allow-origin'), '*')
  })

  await fact.check('HEAD says the same without the bytes', async () => {
    const answer = await fetch(url, { method: 'HEAD' })
    assert.deepEqual([answer.status, answer.headers.get('content-length')], [200, '100000'])
    assert.equal(answer.headers.get('etag'), etag(content))
    assert.equal((await bytes(answer)).length, 0)
  })

  await fact.check('what a client has already is not sent again', async () => {
    const modified = (await fetch(url)).headers.get('last-modified')
    for (const headers of [
      { 'if-none-match': etag(content) },
      { 'if-none-match': `"other", W/${etag(content)}` },
      { 'if-none-match': '*' },
      { 'if-modified-since': modified },
    ]) {
      const answer = await fetch(url, { headers })
      assert.deepEqual([answer.status, (await bytes(answer)).length], [304, 0], JSON.stringify(headers))
      assert.equal(answer.headers.get('etag'), etag(content))
    }
    for (const headers of [
      { 'if-none-match': '"other"' },
      { 'if-none-match': '"other"', 'if-modified-since': modified },
      { 'if-modified-since': 'Mon, 01 Jan 2024 00:00:00 GMT' },
      { 'if-modified-since': 'yesterday' },
    ]) {
      assert.equal((await fetch(url, { headers })).status, 200, JSON.stringify(headers))
    }
  })

  await fact.check('a part of a file: from the front, from the middle, from the end', async () => {
    for (const [range, from, to] of [
      ['bytes=0-99', 0, 99],
      ['bytes=50000-', 50_000, 99_999],
      ['bytes=-10', 99_990, 99_999],
      ['bytes=99999-200000', 99_999, 99_999],
      ['bytes=-200000', 0, 99_999],
    ]) {
      const answer = await part(range)
      assert.deepEqual([answer.status, answer.headers.get('content-range')], [206, `bytes ${from}-${to}/100000`], range)
      assert.deepEqual(await bytes(answer), content.subarray(from, to + 1))
    }
  })

  await fact.check('several parts at once', async () => {
    const answer = await part('bytes=0-9,500-519,-5')
    assert.equal(answer.status, 206)
    const boundary = answer.headers.get('content-type').match(/^multipart\/byteranges; ?boundary="?([^"]+)"?$/)[1]
    const body = await bytes(answer)
    assert.equal(Number(answer.headers.get('content-length')), body.length)
    const parts = body.toString('latin1').split(`--${boundary}`).slice(1, -1)
    const found = parts.map((part) => {
      const [head, ...rest] = part.split('\r\n\r\n')
      return [head.match(/content-range: (.*)/i)[1], Buffer.from(rest.join('\r\n\r\n').slice(0, -2), 'latin1')]
    })
    assert.deepEqual(found, [
      ['bytes 0-9/100000', content.subarray(0, 10)],
      ['bytes 500-519/100000', content.subarray(500, 520)],
      ['bytes 99995-99999/100000', content.subarray(99_995)],
    ])
  })

  await fact.check('a part that is not there is refused, and one that is not understood is no part', async () => {
    const answer = await part('bytes=100000-')
    assert.deepEqual([answer.status, answer.headers.get('content-range')], [416, 'bytes */100000'])
    for (const range of ['pages=1-2', 'bytes=9-1', 'bytes=x-y', 'bytes=']) {
      const answer = await part(range)
      assert.deepEqual([answer.status, (await bytes(answer)).length], [200, 100_000], range)
    }
  })

  await fact.check('a part of a file that has changed is the whole of the new one', async () => {
    assert.equal((await part('bytes=0-9', { 'if-range': etag(content) })).status, 206)
    assert.equal((await part('bytes=0-9', { 'if-range': '"older"' })).status, 200)
  })

  await fact.check('a browser can be told to save it', async () => {
    const disposition = async (option) => {
      const url = pictures.getPublicUrl(own('photo.jpg'), { download: option }).data.publicUrl
      return (await fetch(url)).headers.get('content-disposition')
    }
    assert.match(await disposition(true), /^attachment/)
    assert.match(await disposition('Grüße.jpg'), /^attachment; .*filename\*=UTF-8''Gr%C3%BC%C3%9Fe\.jpg/)
    assert.doesNotMatch(await disposition('a\r\nset-cookie: x=1'), /[\r\n]/)
    assert.equal((await fetch(`${url}?t=1&cacheNonce=2`)).headers.get('content-disposition'), null)
  })

  await fact.check('pages and drawings cannot run as the application', async () => {
    const script = '<script>alert(1)</script>'
    const types = ['text/html', 'TEXT/HTML; charset=utf-8', 'application/xhtml+xml', 'image/svg+xml']
    for (const contentType of types) {
      data(await pictures.upload(own('page'), script, { contentType, upsert: true }))
      const answer = await fetch(pictures.getPublicUrl(own('page')).data.publicUrl)
      const type = answer.headers.get('content-type')
      const policy = answer.headers.get('content-security-policy') ?? ''
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      assert.ok(type.startsWith('text/plain') || /\bsandbox\b/.test(policy), `${contentType} comes as ${type}: ${policy}`)
      assert.equal(await answer.text(), script)
    }
    data(await pictures.upload(own('page'), script, { contentType: 'text/html', upsert: true }))
    const html = await fetch(pictures.getPublicUrl(own('page')).data.publicUrl)
    assert.match(html.headers.get('content-type'), /^text\/plain/)
  })

  await fact.check('what is replaced has another tag at once', async () => {
    data(await pictures.upload(own('often.txt'), 'one'))
    const url = pictures.getPublicUrl(own('often.txt')).data.publicUrl
    const first = (await fetch(url)).headers.get('etag')
    data(await pictures.upload(own('often.txt'), 'two', { upsert: true }))
    const second = await fetch(url, { headers: { 'if-none-match': first } })
    assert.deepEqual([second.status, await second.text()], [200, 'two'])
  })

  await fact.check('a private bucket has no public addresses', async () => {
    data(await ann.client.storage.from('documents').upload(own('plan.bin'), content))
    const { publicUrl } = ann.client.storage.from('documents').getPublicUrl(own('plan.bin')).data
    await refusedPlainly(await fetch(publicUrl), '404', 'NoSuchBucket', 'Bucket not found', 'Bucket not found')
    await refusedPlainly(await fetch(`${url}.old`), '404', 'NoSuchKey', 'not_found', 'Object not found')
  })

  await fact.check('whoever is signed in reads by two addresses', async () => {
    const headers = { apikey: plinth.anonKey, authorization: `Bearer ${ann.token}` }
    for (const place of ['object', 'object/authenticated']) {
      const address = `${plinth.url}/storage/v1/${place}/documents/${own('plan.bin')}`
      assert.deepEqual(await bytes(await fetch(address, { headers })), content)
      const partly = await fetch(address, { headers: { ...headers, range: 'bytes=0-0' } })
      assert.equal(partly.status, 206)
      assert.equal((await fetch(address, { method: 'HEAD', headers })).status, 200)
    }
    const keyless = async (place) => {
      const answer = await fetch(`${plinth.url}/storage/v1/${place}/documents/${own('plan.bin')}`)
      return [answer.status, (await answer.json()).code]
    }
    assert.deepEqual(await keyless('object'), [400, 'NoSuchBucket'])
    assert.deepEqual(await keyless('object/authenticated'), [400, 'AccessDenied'])
  })

  // How the way up may be written, and how it is read.
  const ways = {
    '../': '../',
    '..%2f': '../',
    '%2e%2e/': '../',
    '%2e%2e%2f': '../',
    '.%2e/': '../',
    '..%5c': '..\\',
    '%252e%252e%252f': '%2e%2e%2f',
    '....//': '....//',
  }

  await fact.check('no way of writing it leads out of a bucket', async () => {
    const absent = { statusCode: '404', error: 'not_found', message: 'Object not found', code: 'NoSuchKey' }
    for (const way of Object.keys(ways)) {
      for (let up = 1; up <= 8; up += 1) {
        for (const rest of ['plinth.toml', 'data/master.key', 'etc/passwd']) {
          const path = `/storage/v1/object/public/pictures/${way.repeat(up)}${rest}`
          assert.deepEqual(await raw(plinth.url, 'GET', path), { status: 400, body: absent }, path)
        }
      }
    }
  })

  await fact.check('nor is anything written there', async () => {
    const headers = { apikey: plinth.serviceKey, 'content-type': 'text/plain' }
    for (const [way, read] of Object.entries(ways)) {
      for (let up = 1; up <= 8; up += 1) {
        const path = `/storage/v1/object/pictures/${way.repeat(up)}planted.txt`
        const message = `Invalid key: ${read.repeat(up)}planted.txt`
        const refusal = { statusCode: '400', error: 'InvalidKey', message, code: 'InvalidKey' }
        assert.deepEqual(await raw(plinth.url, 'POST', path, headers, 'planted'), { status: 400, body: refusal }, path)
      }
    }
    const files = await readdir(plinth.home, { recursive: true })
    assert.ok(files.some((name) => name.endsWith('plinth.toml')))
    assert.deepEqual(
      files.filter((name) => name.includes('planted')),
      [],
    )
  })

  await fact.check('it says that it is there, and which it is', async () => {
    const status = await fetch(`${plinth.url}/storage/v1/status`)
    assert.deepEqual([status.status, await status.text()], [200, ''])
    const version = await fetch(`${plinth.url}/storage/v1/version`)
    const [, number] = (await plinth.run('--version')).match(/^plinth (\d+\.\d+\.\d+)/)
    assert.deepEqual([version.status, await version.text()], [200, number])
  })
}

/** What is answered to a target as it is written here: a library would tidy it first. */
async function raw(url, method, path, headers = {}, body = '') {
  const { hostname, port } = new URL(url)
  const all = { host: 'x', connection: 'close', 'content-length': body.length, ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const text = await new Promise((done, failed) => {
    const socket = connect(port, hostname, () => socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`))
    let answer = ''
    socket.on('data', (text) => (answer += text))
    socket.on('end', () => done(answer))
    socket.on('error', failed)
  })
  const [head, json] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), body: JSON.parse(json) }
}
