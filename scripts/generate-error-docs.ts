import { ERROR_CODES } from '../packages/core/src/errors/index.ts'
import type { GeneratedFile } from './generated-file.ts'

/** docs/errors.md from the error catalogue. */
export async function generateErrorDocs(): Promise<GeneratedFile[]> {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { status, retryable, summary, remedy }]) => `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${cell(summary)} | ${cell(remedy)} |`,
  )
  const content = `<!-- Made by \`npm run generate\` from packages/core/src/errors/error-codes.ts. Do not edit. -->

# Error codes

Every error that Cairn throws is a \`CairnError\` with one of these codes. A code is never renamed and never reused.
Over HTTP it is the \`code\` of the problem document. "Retryable" means that the same call may succeed later without a change.

| code | HTTP | retryable | what happened | what to do |
|---|---|---|---|---|
${rows.join('\n')}
`
  return [{ path: 'docs/errors.md', content }]
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
