// What the stories say of answers and bytes.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'

/**
 * Fails unless supabase-js was refused so. Nearly every error comes with HTTP status 400, and with what it really is in
 * its body: `statusCode`.
 */
export function refused({ data, error }, statusCode, message) {
  assert.ok(error, `not refused with ${statusCode}, but answered ${JSON.stringify(data)}`)
  assert.deepEqual([error.status, error.statusCode, error.message], [400, statusCode, message])
}

/** Fails unless a plain request was refused so; `error` is the short word beside the code. */
export async function refusedPlainly(answer, statusCode, code, error, message) {
  const body = await answer.json()
  assert.deepEqual(body, { statusCode, error, message, code })
  assert.equal(answer.status, 400)
}

/** The bytes of a blob, an answer or a buffer. */
export async function bytes(of) {
  return Buffer.from(of.arrayBuffer ? await of.arrayBuffer() : of)
}

/** So many bytes that nobody can guess, so that any that are lost or moved are noticed. */
export const noise = (length) => randomBytes(length)

/** The entity tag of bytes that came in one piece. */
export const etag = (content) => `"${createHash('md5').update(content).digest('hex')}"`

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
