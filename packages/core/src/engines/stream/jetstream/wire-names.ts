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

  /** The subject as its publisher knows it; one that the server copied here has no prefix. */
  plain(subject: string): string {
    return subject.startsWith(this.#root) ? subject.slice(this.#root.length) : subject
  }

  /** Whether a subject of a stream is one of ours, and not one that the server copies into it. */
  own(subject: string): boolean {
    return this.#root === '' ? !subject.startsWith('cairn.kv.') : subject.startsWith(this.#root)
  }

  get deadLetters(): string {
    return `${this.#root}dlq.>`
  }

  /** An owner before the name of the consumer is a token of its own, so that the dead letters of one owner can be read. */
  deadLettersOf(stream: string, consumer: string): string {
    return `${this.#root}dlq.${stream}.${consumer.replace('=', '.')}`
  }

  deadLettersOfOwner(owner: string): string {
    return `${this.#root}dlq.*.${owner}.*`
  }
}
