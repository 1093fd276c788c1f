// Lists: folders as people see them (v1), and all there is in pages (v2).

import assert from 'node:assert/strict'

import { data } from '../stage.js'

const FILES = ['b.txt', 'C.txt', 'a_c.txt', 'abc.txt', 'album/one.png', 'album/two.png', 'album/old/three.png', 'zoo/x.txt']

export async function listing(fact, plinth, ann) {
  const documents = ann.client.storage.from('documents')
  const root = `${ann.id}/list`
  for (const name of FILES) data(await documents.upload(`${root}/${name}`, name))
  const list = async (folder, options) => names(data(await documents.list(folder, options)))

  await fact.check('a folder shows its files and its folders, without regard to case', async () => {
    assert.deepEqual(await list(root), ['a_c.txt', 'abc.txt', 'album', 'b.txt', 'C.txt', 'zoo'])
    assert.deepEqual(await list(`${root}/album`), ['old', 'one.png', 'two.png'])
    assert.deepEqual(await list(`${root}/album/`), ['old', 'one.png', 'two.png'])
    assert.deepEqual(await list(`${root}/nowhere`), [])
  })

  await fact.check('a folder has nothing but its name, a file all that is known', async () => {
    const [old, one] = data(await documents.list(`${root}/album`))
    assert.deepEqual([old.id, old.created_at, old.updated_at, old.metadata], [null, null, null, null])
    assert.equal(one.metadata.size, 'album/one.png'.length)
    assert.match(one.metadata.mimetype, /^text\/plain/)
    assert.match(one.metadata.eTag, /^"[0-9a-f]{32}"$/)
    assert.equal(one.metadata.cacheControl, 'max-age=3600')
  })

  await fact.check('in parts, the other way round, by time', async () => {
    assert.deepEqual(await list(root, { limit: 2, offset: 1 }), ['abc.txt', 'album'])
    assert.deepEqual(await list(root, { sortBy: { column: 'name', order: 'desc' }, limit: 2 }), ['zoo', 'C.txt'])
    const byTime = await list(root, { sortBy: { column: 'created_at', order: 'asc' } })
    assert.deepEqual(byTime.slice(0, 2).sort(), ['album', 'zoo'], 'folders first')
    assert.deepEqual(byTime.slice(2), ['b.txt', 'C.txt', 'a_c.txt', 'abc.txt'])
  })

  await fact.check('a search is the beginning of a name, and its signs stand for themselves', async () => {
    assert.deepEqual(await list(root, { search: 'A' }), ['a_c.txt', 'abc.txt', 'album'])
    assert.deepEqual(await list(root, { search: 'a_' }), ['a_c.txt'])
    assert.deepEqual(await list(root, { search: '%' }), [])
    assert.deepEqual(await list(root, { search: 'nothing' }), [])
  })

  await fact.check('version 2 lists all below a prefix, page by page', async () => {
    const found = []
    let page = { hasNext: true }
    while (page.hasNext) {
      page = data(await documents.listV2({ prefix: `${root}/`, limit: 3, cursor: page.nextCursor }))
      assert.ok(page.objects.length <= 3 && page.folders.length === 0)
      found.push(...names(page.objects))
    }
    assert.deepEqual(found, FILES.map((name) => `${root}/${name}`).sort())
  })

  await fact.check('version 2 with a delimiter has folders apart', async () => {
    const { folders, objects, hasNext } = data(await documents.listV2({ prefix: `${root}/`, with_delimiter: true }))
    assert.deepEqual(names(folders), [`${root}/album/`, `${root}/zoo/`])
    assert.deepEqual(
      names(objects),
      ['C.txt', 'a_c.txt', 'abc.txt', 'b.txt'].map((name) => `${root}/${name}`),
    )
    assert.equal(hasNext, false)
    const one = data(await documents.listV2({ prefix: `${root}/`, with_delimiter: true, limit: 1 }))
    assert.deepEqual([one.folders.length + one.objects.length, one.hasNext], [1, true])
  })

  await fact.check('no list is longer than 1,500 lines, and none of version 2 than 1,000', async () => {
    // Rows alone: nobody reads these files.
    const rows = `${root}/rows/`
    const sql = (text) => plinth.run('sql', plinth.folder, '-c', text)
    await sql(`insert into storage.objects (bucket_id, name) select 'documents', '${rows}' || n from generate_series(1, 1501) as n`)
    assert.equal((await list(`${root}/rows`)).length, 100)
    assert.equal((await list(`${root}/rows`, { limit: 1500 })).length, 1500)
    assert.equal((await list(`${root}/rows`, { limit: 1501 })).length, 1500)
    assert.equal((await list(`${root}/rows`, { limit: 1501, offset: 1500 })).length, 1)
    for (const options of [{}, { limit: 1000 }, { limit: 1001 }]) {
      const { objects, hasNext } = data(await documents.listV2({ prefix: rows, ...options }))
      assert.deepEqual([objects.length, hasNext], [1000, true])
    }
    await sql(`delete from storage.objects where name like '${rows}%'`)
    assert.deepEqual(await list(`${root}/rows`), [])
  })

  await fact.check('version 2 in the order of time', async () => {
    const sortBy = { column: 'created_at', order: 'desc' }
    const { objects } = data(await documents.listV2({ prefix: `${root}/album/`, sortBy }))
    assert.deepEqual(
      names(objects),
      ['old/three.png', 'two.png', 'one.png'].map((name) => `${root}/album/${name}`),
    )
  })
}

const names = (entries) => entries.map((entry) => entry.name)
