import { EXIT } from './exit-codes.ts'

/** Once what was printed has gone out: false when nobody reads it any more. */
export function isRead(): Promise<boolean> {
  return new Promise((resolve) => process.stdout.write('', (error) => resolve(error === null || error === undefined)))
}

let guarded = false

/** A reader that has seen enough, such as `head`, is no error: a command ends as it would have. Other failures of the output are told. */
export function bearClosedPipes(): void {
  if (guarded) return
  guarded = true
  process.stderr.on('error', () => undefined)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return
    process.stderr.write(`error [UNKNOWN] The output could not be written: ${error.message}\n`)
    process.exit(EXIT.failed)
  })
}
