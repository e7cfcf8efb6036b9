import type { PageOptions } from '@cairn/core'
import type { Command } from 'commander'
import { wholeNumber } from '../engine-flags.ts'

export interface PageFlags {
  readonly limit?: number
  readonly cursor?: string
}

export function withPageFlags(command: Command): Command {
  return command.option('--limit <n>', 'items to show, 1 to 1000 (default: 100)', wholeNumber(1, 1000)).option('--cursor <cursor>', 'go on after a page, with what it gave as next')
}

export function pageFrom(flags: PageFlags): PageOptions {
  return { ...(flags.limit === undefined ? {} : { limit: flags.limit }), ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }) }
}

/** The line below a table when there is more. */
export function moreLine(page: { readonly nextCursor: string | null }): string {
  return page.nextCursor === null ? '' : `\nThere is more: --cursor ${page.nextCursor}`
}
