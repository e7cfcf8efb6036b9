import { usageSchema } from './input.ts'
import type { ModelUsage } from './types.ts'

export interface CountedUsage {
  readonly input: number
  readonly output: number
  readonly total: number
}

export const NO_USAGE: CountedUsage = Object.freeze({ input: 0, output: 0, total: 0 })

export function counted({ inputTokens = 0, outputTokens = 0, totalTokens = inputTokens + outputTokens }: ModelUsage): CountedUsage {
  return { input: inputTokens, output: outputTokens, total: totalTokens }
}

/** The tokens in `usage` of a result, under the names that vendors use (`prompt_tokens`, `input_tokens`, `inputTokens`, …). None when there are none. */
export function usageOf(result: unknown): CountedUsage {
  const usage = property(result, 'usage')
  const first = (...names: readonly string[]): number | undefined => names.map((name) => property(usage, name)).find((value) => typeof value === 'number')
  const checked = usageSchema.safeParse({
    inputTokens: first('input_tokens', 'prompt_tokens', 'inputTokens', 'promptTokens'),
    outputTokens: first('output_tokens', 'completion_tokens', 'outputTokens', 'completionTokens'),
    totalTokens: first('total_tokens', 'totalTokens'),
  })
  // A result that says nonsense of its tokens is still a result.
  return checked.success ? counted(checked.data as ModelUsage) : NO_USAGE
}

function property(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined
}
