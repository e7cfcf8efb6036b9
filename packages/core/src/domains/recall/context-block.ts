import type { RecallContextBlock, RecalledMemory } from './types.ts'

/** Longer memories are counted by their beginning, for counting takes time; the block holds no more of them. */
const MOST_CHARS = 8_000

/** What looks like a token of control is text like any other. */
const PLAIN = { disallowedSpecial: new Set<string>() }

/**
 * As many memories as fit into `budget` tokens, best first, each a line `[2023-05-08 13:56] Caroline: …`; in the block they stand in the
 * order of time, for so they can be read. A memory that does not fit is left out whole, and a shorter one after it may still come in.
 * Counted with the encoding o200k_base; other models' counts differ by some percent.
 */
export async function contextBlock(items: readonly RecalledMemory[], budget: number): Promise<RecallContextBlock> {
  // Its tables are megabytes, which only who asks for a block loads.
  const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base')
  const chosen: { item: RecalledMemory; line: string }[] = []
  let tokens = 0
  for (const item of items) {
    const line = lineOf(item)
    // With the line break before the next one.
    const cost = countTokens(`${line}\n`, PLAIN)
    if (tokens + cost > budget) continue
    tokens += cost
    chosen.push({ item, line })
  }
  chosen.sort((a, b) => a.item.memory.occurredAt.getTime() - b.item.memory.occurredAt.getTime() || (a.item.memory.position ?? 0) - (b.item.memory.position ?? 0))
  const text = chosen.map(({ line }) => line).join('\n')
  return { text, tokens: countTokens(text, PLAIN), memories: chosen.map(({ item }) => item.memory.id) }
}

function lineOf({ memory }: RecalledMemory): string {
  const when = memory.occurredAt.toISOString().slice(0, 16).replace('T', ' ')
  const text = memory.content.slice(0, MOST_CHARS).replaceAll(/\s+/g, ' ').trim()
  return `[${when}] ${memory.speaker === null ? '' : `${memory.speaker}: `}${text}`
}
