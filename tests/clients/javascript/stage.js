// What the stories need around them: a running Plinth, a mail server that keeps letters, a line for each fact.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { createClient } from '@supabase/supabase-js'
import { simpleParser } from 'mailparser'
import { SMTPServer } from 'smtp-server'
import WebSocket from 'ws'

export const SITE_URL = 'http://127.0.0.1:3000'

// Nothing here takes a second; these say when to give up.
const READY_MS = 15_000
const LETTER_MS = 10_000
const POLL_MS = 20

const run = promisify(execFile)

/** Prints one line for each fact, and counts those that do not hold. */
export class Facts {
  held = 0
  failed = 0

  async check(sentence, work) {
    try {
      await work()
      this.held += 1
      console.log(`ok      ${sentence}`)
    } catch (error) {
      this.failed += 1
      console.log(`FAILED  ${sentence}\n        ${String(error.stack).replaceAll('\n', '\n        ')}`)
    }
  }
}

/** A mail server on a free port of the loopback address. It takes every letter and keeps it until it is read. */
export class Mailbox {
  #letters = []
  #waiting = new Set()
  #server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, session, done) => {
      simpleParser(stream).then((message) => {
        this.#letters.push({ to: session.envelope.rcptTo.map((one) => one.address), message })
        for (const look of this.#waiting) look()
        done()
      }, done)
    },
  })

  async open() {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server.server, 'listening')
    this.port = this.#server.server.address().port
  }

  /** How Plinth is told to send its letters here. */
  get settings() {
    return `
[mail]
smtp_host = "127.0.0.1"
smtp_port = ${this.port}
smtp_security = "none"
from = "Plants <plants@example.com>"
`
  }

  close() {
    return new Promise((closed) => this.#server.close(closed))
  }

  /** Waits for a letter to this address, and takes it out of the box: its link and its code. */
  letter(to) {
    return new Promise((found, failed) => {
      const look = () => {
        const place = this.#letters.findIndex((one) => one.to.includes(to))
        if (place < 0) return
        end()
        const [{ message }] = this.#letters.splice(place, 1)
        const link = message.html.match(/href="([^"]+)"/)[1].replaceAll('&amp;', '&')
        const code = message.text.replaceAll(/https?:\S+/g, '').match(/\b\d{6}\b/)[0]
        found({ message, link, code })
      }
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const timer = setTimeout(() => {
        end()
        failed(new Error(`no letter to ${to}`))
      }, LETTER_MS)
      this.#waiting.add(look)
      look()
    })
  }

  /** How many letters nobody waited for. */
  get unread() {
    return this.#letters.length
  }
}

/** A copy of an application's folder, served as in production. Where its data is, the environment may say. */
export class Plinth {
  constructor(binary, app, settings = '') {
    this.binary = binary
    this.app = app
    this.settings = settings
  }

  async start() {
    this.home = await mkdtemp(join(tmpdir(), 'plinth-javascript-'))
    this.folder = join(this.home, 'app')
    const listen = `127.0.0.1:${await freePort()}`
    this.url = `http://${listen}`
    await cp(this.app, this.folder, { recursive: true })
    await writeFile(
      join(this.folder, 'plinth.toml'),
      `
[server]
listen = "${listen}"

[auth]
site_url = "${SITE_URL}"
${this.settings}`,
    )
    await this.serve()
    const keys = await this.run('status', this.folder, '-o', 'env')
    this.anonKey = keys.match(/^ANON_KEY="(.*)"$/m)[1]
    this.serviceKey = keys.match(/^SERVICE_ROLE_KEY="(.*)"$/m)[1]
  }

  /** Serves the folder, also again, and waits until it is ready. */
  async serve() {
    const log = await open(join(this.home, 'log'), 'a')
    this.process = spawn(this.binary, ['serve', this.folder], { stdio: ['ignore', log.fd, log.fd] })
    await log.close()
    this.ended = once(this.process, 'exit')
    await this.#ready()
  }

  /** Runs one of its commands to the end: what it prints. */
  async run(...args) {
    const { stdout } = await run(this.binary, args)
    return stdout
  }

  /** A client of somebody who is not signed in yet. */
  anonymous(auth = {}) {
    return this.#client(this.anonKey, auth)
  }

  /** A client that no policy holds back. */
  service() {
    return this.#client(this.serviceKey)
  }

  /** Somebody with an account, signed in. */
  async person(name) {
    const email = address(name)
    const password = `the password of ${name}`
    const { user } = data(await this.service().auth.admin.createUser({ email, password, email_confirm: true }))
    const client = this.anonymous()
    const { session } = data(await client.auth.signInWithPassword({ email, password }))
    return { id: user.id, client, token: session.access_token }
  }

  log() {
    return readFile(join(this.home, 'log'), 'utf8')
  }

  /** Asks the server to end; answers its exit code. */
  async stop() {
    if (this.process.exitCode === null) this.process.kill('SIGTERM')
    const [code] = await this.ended
    return code
  }

  /** `kill -9`: it gets no chance to finish anything. */
  async kill() {
    this.process.kill('SIGKILL')
    await this.ended
  }

  async clean() {
    if (this.process?.exitCode === null) this.process.kill('SIGKILL')
    await rm(this.home, { recursive: true, force: true })
  }

  #client(key, auth = {}) {
    const options = { autoRefreshToken: false, persistSession: false, detectSessionInUrl: false, ...auth }
    return createClient(this.url, key, { auth: options, realtime: { transport: WebSocket } })
  }

  async #ready() {
    const end = Date.now() + READY_MS
    while (Date.now() < end && this.process.exitCode === null) {
      const answer = await fetch(`${this.url}/health`).catch(() => null)
      if (answer?.ok) return
      await new Promise((later) => setTimeout(later, POLL_MS))
    }
    throw new Error(`plinth is not ready:\n${await this.log()}`)
  }
}

/** What an answer holds; an error in it is thrown. */
export function data(answer) {
  if (answer.error) throw answer.error
  return answer.data
}

/** An address of nobody else, because one gets a letter a minute. */
export function address(name) {
  return `${name}-${randomUUID()}@example.com`
}

/** Asks until the answer is as it should be; fails with what was seen last. */
export async function eventually(ask, isRight) {
  const end = Date.now() + READY_MS
  for (;;) {
    const seen = await ask()
    if (isRight(seen)) return seen
    assert.ok(Date.now() < end, `still ${JSON.stringify(seen)}`)
    await new Promise((later) => setTimeout(later, POLL_MS))
  }
}

/** Follows a link of a letter to the application, as a browser would: the address it leads to. */
export async function follow(link) {
  const answer = await fetch(link, { redirect: 'manual' })
  if (answer.status !== 303) throw new Error(`the link answers ${answer.status}`)
  return new URL(answer.headers.get('location'))
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}
