/** So long at most the event loop looks for an answer before it sleeps, unless another time is given. */
const STAY_AWAKE_MS = 0.5
/** How much the latest answer counts against those before it. */
const WEIGHT = 0.1

/** A request on its way. */
export interface Expected {
  readonly sentAt: number
  readonly near: boolean
}

/** Answers that this process waits for and that usually come soon. */
let due = 0
let until = 0
let looking = false

/**
 * How long the answers to one kind of request take. A process that sleeps is woken late: 20 to 80 µs on a virtual machine,
 * up to a third of a round trip to a server nearby. So while an answer is due whose like has lately come within half a
 * millisecond, the event loop looks for it instead of sleeping: for so long at most, and only for a caller that is alone, as
 * with several the loop has work anyway. It costs the processor time of that wait. Answers that usually take longer are slept for.
 */
export class NearAnswers {
  readonly #stayAwakeMs: number
  #usualMs = 0

  /** With 0 it always sleeps. */
  constructor(stayAwakeMs = STAY_AWAKE_MS) {
    this.#stayAwakeMs = stayAwakeMs
  }

  /** When the request goes out. */
  sent(): Expected {
    const sentAt = performance.now()
    const near = this.#stayAwakeMs > 0 && this.#usualMs <= this.#stayAwakeMs
    if (near) {
      due++
      until = Math.max(until, sentAt + this.#stayAwakeMs)
      if (!looking) setImmediate(look)
      looking = true
    }
    return { sentAt, near }
  }

  /** When its answer is there, or is waited for no longer: once for each `sent`. */
  ended({ sentAt, near }: Expected): void {
    if (near) due--
    // A few late answers say little about the next.
    const tookMs = Math.min(performance.now() - sentAt, 2 * this.#stayAwakeMs)
    this.#usualMs += (tookMs - this.#usualMs) * WEIGHT
  }
}

function look(): void {
  if (due === 1 && performance.now() < until) setImmediate(look)
  else looking = false
}
