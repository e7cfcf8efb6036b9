import { text as textOf } from 'node:stream/consumers'
import { CairnError } from '@cairn/core'
import type { Command } from 'commander'
import { runWithClient, withClient } from '../client/open-client.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, run, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface PlaceFlags extends ClientFlags {
  readonly path?: string[]
}

interface SearchFlags extends ClientFlags, PageFlags {
  readonly prefix?: string[]
  readonly filter?: string
}

/** Adds `cairn documents list|get|put|search`. */
export function registerDocumentsCommands(program: Command): void {
  const documents = program.command('documents').description('Store and find JSON documents')

  withClientFlags(withPageFlags(documents.command('list')))
    .description('List the collections, or the paths of one')
    .argument('[collection]')
    .option('--prefix <label...>', "only paths that begin with these labels; '*' is any")
    .action((collection: string | undefined, flags: ClientFlags & PageFlags & { prefix?: string[] }) =>
      runWithClient(flags, async (client) => {
        if (collection === undefined) {
          const page = await client.documents.collections(pageFrom(flags))
          show(flags, page, () => table(['collection', 'documents', 'with vectors'], page.items.map(({ name, documents, embedded }) => [name, documents, embedded]), 'There are no documents.') + moreLine(page))
          return
        }
        const page = await client.documents.paths(collection, { ...pageFrom(flags), ...(flags.prefix === undefined ? {} : { prefix: flags.prefix }) })
        show(flags, page, () => table(['path'], page.items.map((path) => [shown(path)]), 'There are no documents.') + moreLine(page))
      }),
    )

  withPlace(documents.command('get'))
    .description('Show a document')
    .action((collection: string, key: string, flags: PlaceFlags) =>
      runWithClient(flags, async (client) => {
        const { path = [] } = flags
        const found = await client.documents.get(collection, { path, key })
        if (found === undefined) throw new CairnError('NOT_FOUND', `There is no document ${shown([...path, key])} in ${collection}. \`cairn documents search ${collection}\` shows what there is.`, { details: { collection, path, key } })
        const { value, revision, updatedAt, expiresAt } = found
        show(flags, found, () => record({ path: shown(found.path), key, value: JSON.stringify(value, null, 2), revision, updated: updatedAt, expires: expiresAt }))
      }),
    )

  withPlace(documents.command('put'))
    .description('Store a document, or replace it')
    .argument('<json>', `the value, e.g. '{"likes":"tea"}'; - reads it from stdin`)
    .option('--ttl-ms <n>', 'milliseconds until it is gone', wholeNumber(1, 1e13))
    .action((collection: string, key: string, json: string, flags: PlaceFlags & { ttlMs?: number }) =>
      run(flags, async () => {
        const value = parseObject('json', json === '-' ? await textOf(process.stdin) : json)
        await withClient(flags, async (client) => {
          const { path = [], ttlMs } = flags
          const result = await client.documents.put(collection, { path, key, value, ...(ttlMs === undefined ? {} : { ttlMs }) })
          show(flags, result, () => `${shown([...path, key])} is at revision ${result.revision}.`)
        })
      }),
    )

  withClientFlags(withPageFlags(documents.command('search')))
    .description('Find documents by words, or list them')
    .argument('<collection>')
    .argument('[query]', 'words to look for; any of them counts')
    .option('--prefix <label...>', 'only at this path and below')
    .option('--filter <json>', `conditions by field, e.g. '{"stars":{"$gte":4}}'`)
    .action((collection: string, query: string | undefined, flags: SearchFlags) =>
      run(flags, async () => {
        const { prefix, filter } = flags
        const options = {
          ...pageFrom(flags),
          ...(prefix === undefined ? {} : { prefix }),
          ...(filter === undefined ? {} : { filter: parseObject('--filter', filter) }),
          ...(query === undefined ? {} : { query }),
        }
        await withClient(flags, async (client) => {
          const page = await client.documents.search(collection, options)
          show(flags, page, () => {
            const rows = page.items.map(({ path, key, value, score }) => [shown(path), key, oneLine(JSON.stringify(value), 70), score === null ? '' : score.toFixed(3)])
            return table(['path', 'key', 'value', 'score'], rows, 'Nothing was found.') + moreLine(page)
          })
        })
      }),
    )
}

function withPlace(command: Command): Command {
  return withClientFlags(command).argument('<collection>').argument('<key>').option('--path <label...>', 'labels of the path, from the outside in')
}

const shown = (path: readonly string[]): string => path.join('/') || '-'

function parseObject(field: string, text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CairnError('INVALID_ARGUMENT', `${field}: ${oneLine(text)} is not JSON: ${(cause as Error).message}.`, { cause, details: { field } })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CairnError('INVALID_ARGUMENT', `${field}: ${oneLine(text)} is not a JSON object.`, { details: { field } })
  return value as Record<string, unknown>
}
