// Files of a Plinth in production, through supabase-js, tus-js-client and plain requests.
//
//     node media.js PLINTH_BINARY
//
// Serves a copy of ../media, whose migration says which bucket is for whom. Where the rows and the bytes are kept is the
// environment's to say, as for every Plinth. One line for each fact; ends with 0 when all hold, else with 1.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'

import { buckets } from './media/buckets.js'
import { delivery } from './media/delivery.js'
import { images } from './media/images.js'
import { listing } from './media/listing.js'
import { nodes } from './media/nodes.js'
import { objects } from './media/objects.js'
import { policies } from './media/policies.js'
import { resumable } from './media/resumable.js'
import { signed } from './media/signed.js'
import { Facts, Plinth } from './stage.js'

const APP = fileURLToPath(new URL('../media', import.meta.url))

// Small enough to go over it in a test.
const SETTINGS = `
[limits]
upload_bytes = 20000000
`

// Where rows and bytes are both on services, a second node serves the same; it needs the same key.
const SHARED = process.env.PLINTH_DATABASE_URL && process.env.PLINTH_STORAGE_STORE === 's3'
if (SHARED) process.env.PLINTH_MASTER_KEY = randomBytes(32).toString('hex')

const fact = new Facts()
const plinth = new Plinth(process.argv[2], APP, SETTINGS)
try {
  await plinth.start()
  const ann = await plinth.person('ann')
  const ben = await plinth.person('ben')
  await buckets(fact, plinth)
  await objects(fact, plinth, ann)
  await listing(fact, plinth, ann)
  await signed(fact, plinth, ann)
  await policies(fact, plinth, ann, ben)
  await delivery(fact, plinth, ann)
  await images(fact, plinth, ann, ben)
  await resumable(fact, plinth, ann, ben)
  if (SHARED) await nodes(fact, plinth, ann)
  await fact.check('SIGTERM ends it with 0', async () => assert.equal(await plinth.stop(), 0))
  await fact.check('every row has its bytes, and nothing is there without a row', () =>
    plinth.run('storage', 'check', plinth.folder),
  )
  if (fact.failed) console.error(`the server said:\n${await plinth.log()}`)
} finally {
  await plinth.clean()
}
console.log(fact.failed ? `${fact.failed} facts do not hold` : `all ${fact.held} facts hold`)
process.exit(fact.failed ? 1 : 0)
