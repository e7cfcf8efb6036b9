/**
 * Names on the server. Stream names get the prefix as it is; subjects get it as a first token of their own, so that
 * `*` and `>` mean the same with a prefix and without.
 */
export class WireNames {
  readonly #prefix: string
  readonly #root: string
  readonly deadLetterStream: string

  constructor(prefix: string) {
    this.#prefix = prefix
    this.#root = prefix === '' ? '' : `${prefix}.`
    this.deadLetterStream = `${prefix}DEAD_LETTER`
  }

  stream(name: string): string {
    return this.#prefix + name
  }

  subject(subject: string): string {
    return this.#root + subject
  }

  /** The subject as its publisher knows it. */
  plain(subject: string): string {
    return subject.slice(this.#root.length)
  }

  get deadLetters(): string {
    return `${this.#root}dlq.>`
  }

  deadLettersOf(stream: string, consumer: string): string {
    return `${this.#root}dlq.${stream}.${consumer}`
  }
}
