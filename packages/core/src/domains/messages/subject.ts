import { CairnError } from '../../errors/index.ts'

const TOKEN = /^[^\s.*>\p{C}]+$/u

/** Throws INVALID_ARGUMENT unless the subject is tokens between single dots, without wildcards. */
export function checkSubject(subject: string): string {
  if (subject.length <= 255 && subject.split('.').every((token) => TOKEN.test(token))) return subject
  throw new CairnError('INVALID_ARGUMENT', `subject: ${JSON.stringify(subject).slice(0, 300)} is malformed. Use up to 255 characters: tokens between single dots, no spaces, * or >.`, {
    details: { field: 'subject' },
  })
}

/** The pattern as a regular expression of PostgreSQL: `*` is one token, `>` at the end one or more. INVALID_ARGUMENT. */
export function patternRegex(pattern: string): string {
  const tokens = pattern.split('.')
  if (pattern.length > 255 || !tokens.every((token, index) => TOKEN.test(token) || token === '*' || (token === '>' && index === tokens.length - 1))) {
    throw new CairnError('INVALID_ARGUMENT', `pattern: ${JSON.stringify(pattern).slice(0, 300)} is malformed. Use tokens between single dots; * stands for one token, > at the end for one or more.`, {
      details: { field: 'pattern' },
    })
  }
  const escaped = tokens.map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token.replaceAll(/[\\^$|()[\]{}+?]/g, String.raw`\$&`)))
  return `^${escaped.join(String.raw`\.`)}$`
}
