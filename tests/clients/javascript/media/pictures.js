// Pictures as bytes: one is made, and of others the size is read, so that no file of pixels is kept with the tests.

import { crc32, deflateSync } from 'node:zlib'

/** A PNG of so many pixels, in soft colours. */
export function png(width, height) {
  const rows = Buffer.alloc((width * 3 + 1) * height)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * (width * 3 + 1) + 1 + x * 3
      rows[at] = (x * 255) / width
      rows[at + 1] = (y * 255) / height
      rows[at + 2] = (x ^ y) & 255
    }
  }
  return pngOf(width, height, rows)
}

/** A PNG that says it has so many pixels, in a few bytes. */
export const bomb = (width, height) => pngOf(width, height, Buffer.alloc(1000))

/** What a picture is, and its size. */
export function look(bytes) {
  if (bytes.subarray(1, 4).toString() === 'PNG') {
    return { type: 'png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
  }
  if (bytes.readUInt16BE(0) === 0xffd8) return { type: 'jpeg', ...jpegSize(bytes) }
  if (bytes.subarray(8, 12).toString() === 'WEBP') return { type: 'webp', ...webpSize(bytes) }
  throw new Error(`no picture: ${bytes.subarray(0, 100)}`)
}

function pngOf(width, height, rows) {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // Eight bits each of red, green and blue.
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

function chunk(name, content) {
  const body = Buffer.concat([Buffer.from(name), content])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(content.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

/** From the first segment that begins a frame. */
function jpegSize(bytes) {
  let at = 2
  while (at < bytes.length) {
    const kind = bytes[at + 1]
    if (kind >= 0xc0 && kind <= 0xc3) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) }
    at += 2 + bytes.readUInt16BE(at + 2)
  }
  throw new Error('no frame in it')
}

function webpSize(bytes) {
  switch (bytes.subarray(12, 16).toString()) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff }
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 }
    }
    default:
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
  }
}
