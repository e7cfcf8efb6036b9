/** What a naive believer holds true of one entity: a table of days for each value, written over by each statement. */
export class NaiveKnowledge {
  /** Days 0 to HORIZON; what reaches the horizon is open. A statement's days have its number, so that two that touch are told apart. */
  static readonly HORIZON = 14
  readonly functional: boolean
  readonly #days: Map<string, (number | undefined)[]>
  #statements = 0

  constructor(functional: boolean, days: Map<string, (number | undefined)[]> = new Map()) {
    this.functional = functional
    this.#days = days
  }

  copy(): NaiveKnowledge {
    return new NaiveKnowledge(this.functional, new Map([...this.#days].map(([value, days]) => [value, [...days]])))
  }

  at(day: number): string[] {
    return [...this.#days].filter(([, days]) => days[day] !== undefined).map(([value]) => value).sort()
  }

  /** First and last day (exclusive) of the statement that holds this value on this day. */
  statement(value: string, day: number): { from: number; until: number } | undefined {
    const days = this.#of(value)
    const number = days[day]
    if (number === undefined) return undefined
    let [from, until] = [day, day + 1]
    while (days[from - 1] === number) from--
    while (days[until] === number) until++
    return { from, until: Math.min(until, NaiveKnowledge.HORIZON) }
  }

  assert(value: string, from: number, until: number | undefined): void {
    const end = until ?? this.#nextOther(value, from)
    const covering = this.statement(value, from)
    if (covering !== undefined && covering.until >= end) return
    this.write(value, from, end)
  }

  write(value: string, from: number, until: number): void {
    let [first, last] = [from, until]
    for (let day = from; day < until; day++) {
      const same = this.statement(value, day)
      if (same !== undefined) [first, last] = [Math.min(first, same.from), Math.max(last, same.until)]
    }
    if (this.functional) for (const other of this.#days.keys()) this.clear(other, first, last)
    this.#of(value).fill(++this.#statements, first, last)
  }

  clear(value: string, from: number, until: number): void {
    this.#of(value).fill(undefined, from, until)
  }

  #nextOther(value: string, from: number): number {
    let next = NaiveKnowledge.HORIZON
    if (!this.functional) return next
    for (const [other, days] of this.#days) {
      if (other === value) continue
      for (let day = from + 1; day < next; day++) if (days[day] !== undefined && days[day] !== days[day - 1]) next = day
    }
    return next
  }

  #of(value: string): (number | undefined)[] {
    const days = this.#days.get(value) ?? Array.from({ length: NaiveKnowledge.HORIZON }, () => undefined)
    this.#days.set(value, days)
    return days
  }
}
