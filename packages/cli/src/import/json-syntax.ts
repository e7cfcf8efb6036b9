import { CairnError } from '@cairn/core'

/** `text` parsed; IMPORT_MALFORMED with file, line and column of the first character that cannot be JSON. */
export function parseJson(text: string, file: string): unknown {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text
  try {
    return JSON.parse(source)
  } catch (cause) {
    const before = source.slice(0, errorPosition(source))
    const line = before.split('\n').length
    const column = before.length - before.lastIndexOf('\n')
    const found = before.length < source.length ? `unexpected ${JSON.stringify(String.fromCodePoint(source.codePointAt(before.length) ?? 0))}` : 'the text ends too early'
    throw new CairnError('IMPORT_MALFORMED', `${file}:${line}:${column}: not JSON: ${found}. Correct it there.`, { cause, details: { file, line, column } })
  }
}

/**
 * The offset of the first character with which `text` stops being the beginning of a JSON document. The parser's own
 * messages often leave it out, so it is found by halving: each shorter beginning fails only because it ends.
 */
function errorPosition(text: string): number {
  let good = 0
  let bad = text.length + 1
  while (good + 1 < bad) {
    const middle = (good + bad) >>> 1
    if (isBeginning(text.slice(0, middle))) good = middle
    else bad = middle
  }
  return good
}

function isBeginning(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    const { message } = error as SyntaxError
    return message.includes('end of JSON input') || message.includes(`at position ${text.length} `) || message.endsWith(`at position ${text.length}`)
  }
}
