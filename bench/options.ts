export interface BenchOptions {
  readonly quick: boolean
  say(line: string): void
  /** What stands after the name of the scenario. */
  readonly files: readonly string[]
  /** `--sizes=…`, for scenarios that measure at several. */
  readonly sizes: readonly number[] | undefined
}
