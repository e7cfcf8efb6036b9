/** A subject pattern as a regular expression of PostgreSQL: `*` is one token, `>` one or more. */
export function subjectRegex(pattern: string): string {
  return `^${tokens(pattern)}$`
}

export function subjectsRegex(patterns: readonly string[]): string {
  return `^(?:${patterns.map(tokens).join('|')})$`
}

function tokens(pattern: string): string {
  return pattern
    .split('.')
    .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token.replaceAll(/[\\^$|()[\]{}+?]/g, String.raw`\$&`)))
    .join(String.raw`\.`)
}
