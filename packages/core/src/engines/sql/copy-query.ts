import type pg from 'pg'

/**
 * `COPY … FROM STDIN` with its data, as one write: the statement, one chunk of lines and the end.
 * The data does not wait for the server's CopyInResponse: when the statement is refused, the protocol
 * lets the server skip what follows. So it works on PGlite too, which can only answer whole messages.
 */
export class CopyQuery implements pg.Submittable {
  readonly done: Promise<number>
  readonly #text: string
  readonly #data: Buffer
  #rows = 0
  #failed = false
  #resolve!: (rows: number) => void
  #reject!: (error: unknown) => void

  constructor(text: string, data: Buffer) {
    this.#text = text
    this.#data = data
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  submit(connection: pg.Connection): void {
    const { stream } = connection
    stream.cork()
    stream.write(message('Q', Buffer.from(`${this.#text}\0`)))
    stream.write(header('d', this.#data.length))
    stream.write(this.#data)
    stream.write(message('c', Buffer.alloc(0)))
    stream.uncork()
  }

  // What follows is called by pg's client, by these names.
  handleCopyInResponse(): void {}

  handleCommandComplete(reply: { readonly text: string }): void {
    this.#rows = Number(/^COPY (\d+)$/.exec(reply.text)?.[1] ?? 0)
  }

  handleReadyForQuery(): void {
    if (!this.#failed) this.#resolve(this.#rows)
  }

  handleError(error: unknown): void {
    this.#failed = true
    this.#reject(error)
  }
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([header(type, body.length), body])
}

function header(type: string, bodyLength: number): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(bodyLength + 4, 1)
  return head
}
