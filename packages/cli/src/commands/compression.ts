import { readFile, writeFile } from 'node:fs/promises'
import { COMPRESSION_ALGORITHMS, COMPRESSION_GOALS, CairnError, type CompressionAlgorithmId, type CompressionGoal } from '@cairn/core'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { show, table } from '../output.ts'

const goalOption = (): Option => new Option('--goal <goal>', 'what is wanted of the one chosen by measurement').choices([...COMPRESSION_GOALS])

/** Adds `cairn compression algorithms|measure|compress|decompress`. */
export function registerCompressionCommands(program: Command): void {
  const compression = program.command('compression').description('Measure compression, compress and decompress files')

  withClientFlags(compression.command('algorithms'))
    .description('List the algorithms with what their calls measured')
    .action((flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.compression.algorithms()
        show(flags, page, () => {
          const rows = page.items.map(({ id, levels, available, performance }) => [
            id, levels === null ? '' : `${levels.min} to ${levels.max} (${levels.default})`, available, performance.compressions, performance.ratio?.toFixed(2), speed(performance.compressBytesPerSecond), speed(performance.decompressBytesPerSecond),
          ])
          return table(['algorithm', 'levels', 'available', 'calls', 'ratio', 'MB/s in', 'MB/s out'], rows, '')
        })
      }),
    )

  withClientFlags(compression.command('measure'))
    .description('Measure the algorithms on a file and name the best')
    .argument('<file>')
    .addOption(goalOption())
    .action((file: string, flags: ClientFlags & { goal?: CompressionGoal }) =>
      runWithClient(flags, async (client) => {
        const choice = await client.compression.measure(await bytesOf(file), flags.goal === undefined ? {} : { goal: flags.goal })
        show(flags, choice, () => {
          const rows = choice.measurements.map((one) => [one.algorithm, one.level, one.bytes, one.ratio.toFixed(2), speed(one.compressBytesPerSecond), speed(one.decompressBytesPerSecond)])
          return `${table(['algorithm', 'level', 'bytes', 'ratio', 'MB/s in', 'MB/s out'], rows, '')}\n${choice.reason}`
        })
      }),
    )

  withClientFlags(compression.command('compress'))
    .description('Compress a file into a blob that names its algorithm and verifies itself')
    .argument('<file>')
    .requiredOption('--out <path>', 'where to; the file must not exist')
    .addOption(new Option('--algorithm <algorithm>', 'by this one').choices([...COMPRESSION_ALGORITHMS]))
    .option('--level <number>', 'of the algorithm', wholeNumber)
    .addOption(goalOption())
    .action((file: string, flags: ClientFlags & { out: string; algorithm?: CompressionAlgorithmId; level?: number; goal?: CompressionGoal }) =>
      runWithClient(flags, async (client) => {
        const plain = await bytesOf(file)
        const { algorithm, level, goal } = flags
        const blob = await client.compression.pack(plain, { ...(algorithm === undefined ? {} : { algorithm }), ...(level === undefined ? {} : { level }), ...(goal === undefined ? {} : { goal }) })
        await writeNew(flags.out, blob)
        show(flags, { file: flags.out, plainBytes: plain.byteLength, bytes: blob.byteLength }, () => `Wrote ${flags.out}: ${blob.byteLength} of ${plain.byteLength} bytes.`)
      }),
    )

  withClientFlags(compression.command('decompress'))
    .description('Give back the file that compress took, verified')
    .argument('<file>')
    .requiredOption('--out <path>', 'where to; the file must not exist')
    .action((file: string, flags: ClientFlags & { out: string }) =>
      runWithClient(flags, async (client) => {
        const plain = await client.compression.unpack(await bytesOf(file))
        await writeNew(flags.out, plain)
        show(flags, { file: flags.out, bytes: plain.byteLength }, () => `Wrote ${flags.out} (${plain.byteLength} bytes).`)
      }),
    )
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new CairnError('INVALID_ARGUMENT', `file: ${file} cannot be read.`, { cause, details: { field: 'file' } })
  }
}

async function writeNew(path: string, data: Uint8Array): Promise<void> {
  try {
    await writeFile(path, data, { flag: 'wx' })
  } catch (cause) {
    throw new CairnError('INVALID_OPTION', `--out: ${path} cannot be written, or exists already. Choose another path.`, { cause, details: { option: 'out' } })
  }
}

function speed(bytesPerSecond: number | null): string {
  return bytesPerSecond === null ? '' : (bytesPerSecond / 1e6).toPrecision(3)
}

function wholeNumber(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}
