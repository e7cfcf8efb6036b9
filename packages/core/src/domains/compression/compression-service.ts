import { check } from '../../checks/index.ts'
import type { Page } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { TasksService, TaskWorker, WorkOptions } from '../tasks/index.ts'
import { CODECS } from './codecs.ts'
import { AGENT_ALGORITHMS, CLEAR_AGENT_ALGORITHMS, INSERT_AGENT_ALGORITHMS, STATISTICS } from './compression-queries.ts'
import { chooseByMeasurement, compressTimed, restoreTimed } from './compressor.ts'
import { existingAgent } from './existing-agent.ts'
import { executeRequest } from './execute-request.ts'
import { algorithmsInput, bytesOf, chooseInput, compressInput, decompressInput, levelOf, packInput, unpackInput } from './input.ts'
import { fromPacked, toPacked, unpacked } from './packed.ts'
import { COMPRESSION_TASK_TYPES, CompressionRequests } from './requests.ts'
import { toPerformance, type StatisticsRow } from './rows.ts'
import { ensureAlgorithms } from './statistics.ts'
import type { ChooseOptions, CompressedData, CompressionAlgorithm, CompressionChoice, CompressOptions, DecompressOptions, PackOptions, UnpackOptions } from './types.ts'
import { COMPRESSION_ALGORITHMS, MAX_COMPRESSION_INPUT, type CompressionAlgorithmId } from './words.ts'

/**
 * Compression: algorithms with what their calls measured, the best one for given bytes, packed blobs that verify themselves,
 * and requests that agents execute. Bytes or text (as UTF-8) of up to 256 MiB go in. Every call runs outside the event loop and
 * is counted for its tenant, which costs one statement shared by the calls that end at the same time.
 *
 * Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, PAYLOAD_TOO_LARGE, CAPABILITY_MISSING for an
 * algorithm that this Node.js lacks. Sources: S0 §1, S0 §11.
 */
export class CompressionService {
  readonly requests: CompressionRequests
  readonly #context: DomainContext
  readonly #tasks: TasksService

  constructor(context: DomainContext, tasks: TasksService) {
    this.#context = context
    this.#tasks = tasks
    this.requests = new CompressionRequests(context, tasks)
  }

  /** All algorithms, with what this tenant's calls measured. One page. */
  async algorithms(): Promise<Page<CompressionAlgorithm>> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<StatisticsRow>(identity, STATISTICS, [identity.tenant])
    const items = COMPRESSION_ALGORITHMS.map((id): CompressionAlgorithm => {
      const { name, category, levels, available } = CODECS[id]
      const mine = rows.filter((row) => row.algorithm_id === id)
      return { id, name, category, levels, available, performance: toPerformance(mine), byLevel: mine.map((row) => ({ level: row.level, ...toPerformance([row]) })) }
    })
    return { items, nextCursor: null }
  }

  /** Compresses by one algorithm. The bytes carry no name of it and no checksum of ours: `pack` does both. */
  async compress(data: Uint8Array | string, options: CompressOptions = {}): Promise<CompressedData> {
    const { algorithm = preferred(), level } = check(compressInput, options, 'options')
    const atLevel = levelOf(algorithm, level)
    return compressTimed(this.#context, bytesOf(data, 'data', MAX_COMPRESSION_INPUT), algorithm, atLevel)
  }

  /**
   * The plain bytes, or an error before more than `maxOutputBytes` of them are made. Damage that the format itself cannot see
   * (deflate's, lz4's and brotli's are weak) shows in a packed blob only. @throws COMPRESSED_DATA_CORRUPT, DECOMPRESSION_LIMIT
   */
  async decompress(data: Uint8Array, options: DecompressOptions): Promise<Uint8Array> {
    const { algorithm, maxOutputBytes } = check(decompressInput, options, 'options')
    const bytes = bytesOf(data, 'data', MAX_COMPRESSION_INPUT)
    return restoreTimed(this.#context, algorithm, () => CODECS[algorithm].decompress(bytes, maxOutputBytes))
  }

  /** A blob that names its algorithm and holds the SHA-256 of the plain bytes: for archives and files. 45 bytes more than `compress`. */
  async pack(data: Uint8Array | string, options: PackOptions = {}): Promise<Uint8Array> {
    const { goal, ...named } = check(packInput, options, 'options')
    const plain = bytesOf(data, 'data', MAX_COMPRESSION_INPUT)
    const chosen = goal === undefined || named.algorithm !== undefined ? { algorithm: named.algorithm ?? preferred(), level: named.level } : await chooseByMeasurement(this.#context, plain, goal)
    const compressed = await compressTimed(this.#context, plain, chosen.algorithm, levelOf(chosen.algorithm, chosen.level))
    return toPacked(chosen.algorithm, plain, compressed.data)
  }

  /** The plain bytes of a packed blob, verified. @throws COMPRESSED_DATA_CORRUPT, DECOMPRESSION_LIMIT */
  async unpack(blob: Uint8Array, options: UnpackOptions = {}): Promise<Uint8Array> {
    const { maxOutputBytes } = check(unpackInput, options, 'options')
    const parts = fromPacked(bytesOf(blob, 'blob', MAX_COMPRESSION_INPUT), maxOutputBytes)
    return restoreTimed(this.#context, parts.algorithm, () => unpacked(parts))
  }

  /**
   * Measures the algorithms on the data and names the best for the goal: `ratio`, `speed`, or `balanced` (the least time to
   * compress, move at 50 MB/s, and decompress). `none` when nothing saves 3 %. Speeds are those of this moment and machine.
   */
  async choose(options: ChooseOptions): Promise<CompressionChoice> {
    const { sample, goal, algorithms } = check(chooseInput, options, 'options')
    return chooseByMeasurement(this.#context, bytesOf(sample, 'sample', MAX_COMPRESSION_INPUT), goal, algorithms)
  }

  /**
   * Executes compression requests in this process, until `stop()` of what it returns. With `agent` only those assigned to it.
   * A process that dies loses nothing: the task is claimed again when its lease is over. @throws INVALID_OPTION, AGENT_NOT_FOUND
   */
  async work(options: Omit<WorkOptions<{ requestId: string }>, 'schema'> = {}): Promise<TaskWorker> {
    if (options.agent !== undefined) await existingAgent(this.#context, options.agent)
    return this.#tasks.work<{ requestId: string }>(Object.values(COMPRESSION_TASK_TYPES), (task) => executeRequest(this.#context, task), { concurrency: 2, prefetch: 0, ...options })
  }

  /** Which algorithms an agent takes (id or key); empty means all. @throws AGENT_NOT_FOUND */
  async agentAlgorithms(agent: string): Promise<CompressionAlgorithmId[]> {
    const { sql, identity } = this.#context
    const agentId = await existingAgent(this.#context, agent)
    const { rows } = await sql.query<{ algorithm_id: CompressionAlgorithmId }>(identity, AGENT_ALGORITHMS, [identity.tenant, agentId])
    return rows.map((row) => row.algorithm_id)
  }

  /** Replaces which algorithms an agent takes; none means all. Requests assigned to it keep to them. @throws AGENT_NOT_FOUND */
  async setAgentAlgorithms(agent: string, algorithms: readonly CompressionAlgorithmId[]): Promise<CompressionAlgorithmId[]> {
    const ids = check(algorithmsInput, algorithms, 'algorithms')
    const { sql, identity } = this.#context
    const agentId = await existingAgent(this.#context, agent)
    await ensureAlgorithms(this.#context, ids)
    await sql.transaction(identity, async (tx) => {
      await tx.query(CLEAR_AGENT_ALGORITHMS, [identity.tenant, agentId])
      await tx.query(INSERT_AGENT_ALGORITHMS, [identity.tenant, agentId, ids])
    })
    return this.agentAlgorithms(agentId)
  }
}

function preferred(): CompressionAlgorithmId {
  return CODECS.zstd.available ? 'zstd' : 'gzip'
}
