/** One statement of a script, without its semicolon. */
export interface SqlStatement {
  readonly text: string
  /** Line within the script on which its first word stands, from 1. */
  readonly line: number
  /** The first words in upper case, separated by single spaces, comments left out. For recognising, not for running. */
  readonly head: string
}

const HEAD_WORDS = 6
/** What may not be cut through, in the order in which it is tried; `word` and `end` decide where statements begin and stop. */
const TOKEN =
  /(?<skip>--[^\n]*|[Ee]'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*")|(?<comment>\/\*)|(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<end>;)/g

/**
 * Cuts a script at its semicolons. Knows comments (nested too), quotes, E-strings, dollar quotes and
 * `BEGIN ATOMIC … END` bodies.
 */
export function splitStatements(script: string): SqlStatement[] {
  const statements: SqlStatement[] = []
  const token = new RegExp(TOKEN)
  let start = 0
  let firstWord = -1
  let head: string[] = []
  let previous = ''
  let atomicDepth = 0

  const finish = (end: number) => {
    if (firstWord >= 0) {
      statements.push({ text: script.slice(start, end).trim(), line: lineAt(script, firstWord), head: head.join(' ') })
    }
    start = end + 1
    firstWord = -1
    head = []
    previous = ''
  }

  for (let match = token.exec(script); match !== null; match = token.exec(script)) {
    const groups = match.groups ?? {}
    if (groups['comment'] !== undefined) {
      token.lastIndex = endOfComment(script, match.index)
    } else if (groups['dollar'] !== undefined) {
      const close = script.indexOf(groups['dollar'], token.lastIndex)
      token.lastIndex = close < 0 ? script.length : close + groups['dollar'].length
    } else if (groups['end'] !== undefined) {
      if (atomicDepth === 0) finish(match.index)
    } else if (groups['word'] !== undefined) {
      const word = groups['word'].toUpperCase()
      if (firstWord < 0) firstWord = match.index
      if (head.length < HEAD_WORDS) head.push(word)
      if (previous === 'BEGIN' && word === 'ATOMIC') atomicDepth = 1
      else if (atomicDepth > 0 && word === 'CASE') atomicDepth += 1
      else if (atomicDepth > 0 && word === 'END') atomicDepth -= 1
      previous = word
    }
  }
  finish(script.length)
  return statements
}

function endOfComment(script: string, from: number): number {
  let depth = 0
  for (let at = from; at < script.length; at += 1) {
    const pair = script.slice(at, at + 2)
    if (pair === '/*') {
      depth += 1
      at += 1
    } else if (pair === '*/') {
      depth -= 1
      at += 1
      if (depth === 0) return at + 1
    }
  }
  return script.length
}

/** The line of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line += 1
  return line
}
