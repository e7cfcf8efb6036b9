import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Set when a request was forwarded whose reply must not come through. */
  swallowing: boolean
}

/** Stands between a client and a server on 127.0.0.1, and spoils the connection in the ways a network can. */
export class TcpProxy {
  /** Replies that were lost after the server had done what was asked. */
  lostReplies = 0
  cuts = 0
  #silent = false
  #delayMs: () => number = () => 0
  #drop: ((request: string) => boolean) | undefined
  readonly #target: number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((client) => this.#join(client))
  }

  static async to(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** `url` with the port of the proxy. */
  through(url: string): string {
    const own = new URL(url)
    own.port = String((this.#server.address() as AddressInfo).port)
    return own.href
  }

  /** Ends every connection at once, as a reset does. */
  cut(): void {
    for (const pair of this.#pairs) this.#end(pair)
  }

  /** Half open: connections stay, bytes go nowhere. Those made from now on are silent too, until `speak`. */
  silence(): void {
    this.#silent = true
  }

  /** New connections work again; those that were silent stay so, as their other end has forgotten them. */
  speak(): void {
    this.#silent = false
    for (const { server } of this.#pairs) server.destroy()
  }

  /** Holds every reply back for so long. */
  delay(ms: () => number): void {
    this.#delayMs = ms
  }

  /** Of requests whose bytes `matches` says yes to, the server gets the request, and the client loses the connection instead of getting the reply. */
  loseReplies(matches: ((request: string) => boolean) | undefined): void {
    this.#drop = matches
  }

  async close(): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close').catch(() => undefined)
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return
    this.cuts += 1
    pair.client.destroy()
    pair.server.destroy()
  }

  #join(client: Socket): void {
    const pair: Pair = { client, server: connect(this.#target, '127.0.0.1'), swallowing: false }
    this.#pairs.add(pair)
    const { server } = pair
    // What was silent once stays silent.
    let deaf = false
    for (const socket of [client, server]) socket.on('error', () => undefined)
    client.on('data', (bytes: Buffer) => {
      deaf ||= this.#silent
      if (deaf) return
      if (this.#drop?.(bytes.toString('latin1')) === true) pair.swallowing = true
      server.write(bytes)
    })
    let sending = Promise.resolve()
    server.on('data', (bytes: Buffer) => {
      deaf ||= this.#silent
      if (deaf) return
      if (pair.swallowing) {
        this.lostReplies += 1
        this.#end(pair)
        return
      }
      const ms = this.#delayMs()
      // In order, whatever the delays are.
      sending = sending.then(() => (ms > 0 ? sleep(ms) : undefined)).then(() => void client.write(bytes))
    })
    client.on('close', () => {
      this.#pairs.delete(pair)
      server.destroy()
    })
    server.on('close', () => {
      if (deaf) return
      void sending.then(() => {
        this.#pairs.delete(pair)
        client.destroy()
      })
    })
  }
}
