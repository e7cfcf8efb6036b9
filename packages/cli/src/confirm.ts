import { CairnError } from '@cairn/core'

/** Asks on a terminal; without one, or when the answer is no, INVALID_ARGUMENT says that --yes is needed. */
export async function confirmed(flags: { readonly yes?: boolean }, question: string): Promise<void> {
  if (flags.yes === true) return
  if (process.stdin.isTTY && process.stdout.isTTY) {
    const { confirm, isCancel } = await import('@clack/prompts')
    const answer = await confirm({ message: question, initialValue: false })
    if (!isCancel(answer) && answer) return
    throw new CairnError('INVALID_ARGUMENT', 'Nothing was changed.')
  }
  throw new CairnError('INVALID_ARGUMENT', `${question} There is no terminal to ask on: pass --yes.`, { details: { field: 'yes' } })
}
