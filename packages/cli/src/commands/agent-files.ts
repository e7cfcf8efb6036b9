import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { CairnError } from '@cairn/core'
import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { show } from '../output.ts'
import { writeWhole } from '../whole-file.ts'

/** Adds `cairn agents export|import`. */
export function addAgentFileCommands(agents: Command): void {
  withClientFlags(agents.command('export'))
    .description('Write an agent with its state and checkpoints to a file')
    .argument('<agent>', 'id or key')
    .requiredOption('--file <path>', 'where to; compressed when it ends in .gz')
    .option('--force', 'replace the file when it exists')
    .action((agent: string, flags: ClientFlags & { file: string; force?: boolean }) =>
      runWithClient(flags, async (client) => {
        if (flags.force !== true && (await stat(flags.file).catch(() => undefined)) !== undefined) {
          throw new CairnError('INVALID_OPTION', `--file: ${flags.file} exists already. Choose another path, or pass --force.`, { details: { option: 'file' } })
        }
        await writeWhole(flags.file, client.agents.export(agent), ...(flags.file.endsWith('.gz') ? [createGzip()] : []))
        const { size } = await stat(flags.file)
        show(flags, { file: flags.file, bytes: size }, () => `Wrote ${flags.file} (${size} bytes).`)
      }),
    )

  withClientFlags(agents.command('import'))
    .description('Make an agent of a file that `export` wrote')
    .argument('<file>')
    .option('--as <key>', 'key and name of the agent it becomes (default: those in the file)')
    .option('--overwrite', 'replace the agent when it exists')
    .option('--yes', 'do not ask')
    .action((file: string, flags: ClientFlags & { as?: string; overwrite?: boolean; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        if ((await stat(file).catch(() => undefined))?.isFile() !== true) throw new CairnError('INVALID_ARGUMENT', `file: there is no file ${file}.`, { details: { field: 'file' } })
        if (flags.overwrite === true) await confirmed(flags, `Replace the agent that ${file} holds, if it exists?`)
        const options = { ...(flags.as === undefined ? {} : { as: flags.as }), ...(flags.overwrite === true ? { overwrite: true } : {}) }
        const result = await client.agents.import(() => bytesOf(file), options)
        show(flags, result, () => {
          const missing = result.missingDependencies.length === 0 ? '' : ` It depends on agents that are not here: ${result.missingDependencies.join(', ')}.`
          return `Agent ${result.key} (${result.agentId}) ${result.created ? 'made' : 'replaced'}: ${result.keys} keys, ${result.checkpoints} checkpoints.${missing}`
        })
      }),
    )
}

async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  const raw = createReadStream(file)
  if (!file.endsWith('.gz')) {
    yield* raw as AsyncIterable<Uint8Array>
    return
  }
  const unpacked = createGunzip()
  raw.on('error', (error) => unpacked.destroy(error))
  try {
    yield* raw.pipe(unpacked) as AsyncIterable<Uint8Array>
  } catch (error) {
    throw new CairnError('IMPORT_MALFORMED', `${file} is not a whole gzip file: ${error instanceof Error ? error.message : String(error)}. Nothing of it was stored.`, { cause: error })
  } finally {
    raw.destroy()
  }
}
