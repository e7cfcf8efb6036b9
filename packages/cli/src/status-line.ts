const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const BAR_WIDTH = 24

/**
 * One line on a terminal that is written over: a spinner or a bar, gone when it is cleared. Unlike a prompt library's
 * it leaves the keyboard alone, so that Ctrl-C stays a signal. Does nothing where the stream is no terminal.
 */
export class StatusLine {
  readonly #stream: NodeJS.WriteStream
  readonly #started = performance.now()
  #text = ''
  #timer: NodeJS.Timeout | undefined
  #frame = 0

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  get visible(): boolean {
    return this.#stream.isTTY
  }

  /** Shows this text behind a spinner, with the seconds that have passed. */
  spin(text: string): void {
    this.#text = text
    if (!this.visible) return
    this.#timer ??= setInterval(() => this.#draw(), 100).unref()
    this.#draw()
  }

  bar(done: number, total: number, text: string): void {
    if (!this.visible) return
    const full = total === 0 ? BAR_WIDTH : Math.round((done / total) * BAR_WIDTH)
    this.#write(`${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${done}/${total} ${text}`)
  }

  clear(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.visible) this.#stream.write('\r\u001b[2K')
  }

  #draw(): void {
    const seconds = Math.floor((performance.now() - this.#started) / 1000)
    this.#write(`${FRAMES[this.#frame++ % FRAMES.length] ?? ''} ${this.#text}${seconds > 0 ? ` (${seconds} s)` : ''}`)
  }

  #write(text: string): void {
    this.#stream.write(`\r\u001b[2K${[...text].slice(0, (this.#stream.columns || 80) - 1).join('')}`)
  }
}
