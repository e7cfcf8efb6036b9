import { connect, createServer, type Socket } from 'node:net'

export interface CuttingProxy {
  readonly port: number
  /**
   * Lets the next message that holds `text` through, and cuts the connection when the server answers it: done, but the answer is lost.
   * With `of`, only on a connection on which a message that holds that came before: others say `COMMIT` as well.
   */
  cutAfter(text: string, of?: string): void
  /** Cuts the connection instead of passing on the next `times` messages that hold `text`. */
  cutBefore(text: string, times?: number): void
  /** Cuts the connection instead of passing on the next answer that holds all of these. */
  cutAnswer(...texts: string[]): void
  /** How many connections were cut. */
  readonly cuts: number
  close(): void
}

/** A server that passes bytes on to `url` and cuts connections when told to. */
export async function cuttingProxy(url: URL): Promise<CuttingProxy> {
  let after: { text: string; of: string | undefined } | undefined
  let before: string | undefined
  let answer: string[] | undefined
  let left = 0
  let cuts = 0
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(url.port || 5432), url.hostname)
    let cutting = false
    let isOf = false
    const cut = (): void => {
      cuts += 1
      client.destroy()
    }
    sockets.add(client).add(upstream)
    client.on('data', (data) => {
      if (left > 0 && before !== undefined && data.includes(before)) {
        left -= 1
        return cut()
      }
      isOf ||= after?.of !== undefined && data.includes(after.of)
      if (after !== undefined && (after.of === undefined || isOf) && data.includes(after.text)) [after, cutting] = [undefined, true]
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (answer?.every((text) => data.includes(text)) === true) [answer, cutting] = [undefined, true]
      if (cutting) cut()
      else client.write(data)
    })
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) socket.on('close', () => other.destroy()).on('error', () => {})
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    port: (server.address() as { port: number }).port,
    cutAfter: (text, of) => void (after = { text, of }),
    cutBefore: (text, times = 1) => void ([before, left] = [text, times]),
    cutAnswer: (...texts) => void (answer = texts),
    get cuts() {
      return cuts
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** `url` through the proxy. */
export function throughProxy(url: URL, { port }: CuttingProxy): string {
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(port)
  return through.href
}
