// Buckets: what they allow, who may make them, and what becomes of them.

import assert from 'node:assert/strict'

import { data, eventually } from '../stage.js'
import { refused } from './answers.js'

export async function buckets(fact, plinth) {
  const { storage } = plinth.service()
  const notes = storage.from('notes')

  await fact.check('a bucket has a name and says what it takes', async () => {
    const allowedMimeTypes = ['image/*', 'text/plain']
    assert.deepEqual(data(await storage.createBucket('notes', { fileSizeLimit: '1KB', allowedMimeTypes })), { name: 'notes' })
    const bucket = data(await storage.getBucket('notes'))
    assert.deepEqual([bucket.id, bucket.name, bucket.public], ['notes', 'notes', false])
    assert.deepEqual([bucket.file_size_limit, bucket.allowed_mime_types], [1000, allowedMimeTypes])
    assert.ok(!Number.isNaN(Date.parse(bucket.created_at)))
  })

  await fact.check('a name is taken once, and not every text is one', async () => {
    refused(await storage.createBucket('notes'), '409', 'The resource already exists')
    for (const name of ['a/b', ' a', 'a ', 'ä', 'x'.repeat(101)]) {
      const { error } = await storage.createBucket(name)
      assert.deepEqual([error?.status, error?.statusCode], [400, '400'], name)
    }
  })

  await fact.check('what is too large or of another type is refused', async () => {
    const text = { contentType: 'text/plain' }
    data(await notes.upload('small.txt', 'x'.repeat(1000), text))
    refused(await notes.upload('large.txt', 'x'.repeat(1001), text), '413', 'The object exceeded the maximum allowed size')
    const page = { contentType: 'text/html' }
    refused(await notes.upload('page.html', '<p>', page), '415', 'mime type text/html is not supported')
    refused(await notes.upload('page.html', new Blob(['<p>'], { type: 'text/html' })), '415', 'mime type text/html is not supported')
    data(await notes.upload('picture.png', new Blob(['not looked at'], { type: 'image/png' })))
    assert.deepEqual(names(data(await notes.list())), ['picture.png', 'small.txt'])
  })

  await fact.check('a folder appears by a file that has neither bytes nor a type, by every road', async () => {
    const content = new Blob(['x'.repeat(2000)], { type: 'application/zip' })
    const place = (folder) => `${folder}/.emptyFolderPlaceholder`
    data(await notes.upload(place('form'), content))
    data(await notes.upload(place('raw'), Buffer.alloc(2000), { contentType: 'application/zip' }))
    data(await notes.update(place('form'), content))
    data(await notes.update(place('raw'), Buffer.alloc(2000), { contentType: 'application/zip' }))
    const { token } = data(await notes.createSignedUploadUrl(place('signed')))
    data(await notes.uploadToSignedUrl(place('signed'), token, content))
    for (const folder of ['form', 'raw', 'signed']) assert.equal(data(await notes.info(place(folder))).size, 0, folder)
    assert.deepEqual(names(data(await notes.list())), ['form', 'picture.png', 'raw', 'signed', 'small.txt'])
    assert.equal(data(await notes.remove(['form', 'raw', 'signed'].map(place))).length, 3)
  })

  await fact.check('what it takes can be changed', async () => {
    const changed = await storage.updateBucket('notes', { public: true, fileSizeLimit: null, allowedMimeTypes: null })
    assert.deepEqual(data(changed), { message: 'Successfully updated' })
    const bucket = data(await storage.getBucket('notes'))
    assert.deepEqual([bucket.public, bucket.file_size_limit, bucket.allowed_mime_types], [true, null, null])
    data(await notes.upload('page.html', '<p>'.repeat(1000), { contentType: 'text/html' }))
  })

  await fact.check('the limit of the whole server counts in every bucket', async () => {
    refused(await notes.upload('huge', new Uint8Array(20_000_001)), '413', 'The object exceeded the maximum allowed size')
  })

  await fact.check('they are listed: sorted, searched, in parts', async () => {
    const list = async (options) => data(await storage.listBuckets(options)).map((bucket) => bucket.name)
    assert.deepEqual((await list()).sort(), ['documents', 'notes', 'pictures', 'shared'])
    assert.deepEqual(await list({ sortColumn: 'name', sortOrder: 'desc', limit: 2, offset: 1 }), ['pictures', 'notes'])
    assert.deepEqual(await list({ search: 'doc' }), ['documents'])
  })

  await fact.check('only an empty bucket can be deleted', async () => {
    refused(await storage.deleteBucket('notes'), '409', 'The bucket you tried to delete is not empty')
    assert.match(data(await storage.emptyBucket('notes')).message, /^Empty bucket has been queued|^Successfully emptied/)
    await eventually(
      async () => data(await notes.list()),
      (files) => files.length === 0,
    )
    assert.deepEqual(data(await storage.deleteBucket('notes')), { message: 'Successfully deleted' })
    refused(await storage.getBucket('notes'), '404', 'Bucket not found')
    refused(await notes.upload('late.txt', 'x'), '404', 'Bucket not found')
  })

  await fact.check('without a policy for buckets, people neither make nor see them', async () => {
    const { storage } = (await plinth.person('eve')).client
    refused(await storage.createBucket('mine'), '403', 'new row violates row-level security policy')
    assert.deepEqual(data(await storage.listBuckets()), [])
    refused(await storage.getBucket('documents'), '404', 'Bucket not found')
    assert.ok((await storage.deleteBucket('documents')).error)
    assert.ok((await storage.emptyBucket('documents')).error)
    assert.ok(data(await plinth.service().storage.getBucket('documents')))
  })
}

const names = (files) => files.map((file) => file.name)
