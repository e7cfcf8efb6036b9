import { CairnError, isCairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { TaskContext } from '../tasks/index.ts'
import { CODECS } from './codecs.ts'
import { AGENT_ALGORITHMS, COMPLETE_REQUEST, FAIL_REQUEST, SELECT_REQUEST, START_REQUEST } from './compression-queries.ts'
import { chooseByMeasurement, compressTimed, restoreTimed } from './compressor.ts'
import { requestNotFound } from './requests.ts'
import { sha256 } from './packed.ts'
import { toRequest, type RequestRow, type StartedRow } from './rows.ts'
import { ensureAlgorithms } from './statistics.ts'
import type { CompressionChoice, CompressionRequest } from './types.ts'
import { MAX_REQUEST_OUTPUT, type CompressionAlgorithmId } from './words.ts'

interface Made {
  readonly algorithm: CompressionAlgorithmId
  readonly level: number | null
  readonly output: Uint8Array
  readonly choice: CompressionChoice | undefined
}

/** Failures that come back however often it is tried. */
const FINAL = ['COMPRESSED_DATA_CORRUPT', 'DECOMPRESSION_LIMIT', 'PAYLOAD_TOO_LARGE', 'INVALID_ARGUMENT', 'CAPABILITY_MISSING', 'CONSISTENCY_VIOLATION'] as const

/**
 * The handler of the tasks: begins the request anew, computes, and stores the result if no later attempt began meanwhile.
 * What has ended is left as it is, so that a task that runs again after a crash just ends. Returns what the task keeps as its result.
 */
export async function executeRequest(context: DomainContext, task: TaskContext<{ requestId: string }>): Promise<Record<string, unknown>> {
  const { sql, identity } = context
  const { requestId } = task.payload
  const { rows } = await sql.query<StartedRow>(identity, START_REQUEST, [identity.tenant, requestId, task.agentId])
  const [started] = rows
  if (started === undefined) return ended(context, requestId)
  const begun = performance.now()
  const cpu = process.cpuUsage()
  try {
    const made = await perform(context, started)
    task.signal.throwIfAborted()
    const executionMs = performance.now() - begun
    const { user, system } = process.cpuUsage(cpu)
    const cpuTimeMs = (user + system) / 1000
    const cpuPercent = Math.min(999.99, (100 * cpuTimeMs) / Math.max(executionMs, 0.001))
    const memoryMb = process.memoryUsage.rss() / 1_048_576
    task.usage({ cpuTimeMs: Math.round(cpuTimeMs), cpuPercent: Math.round(cpuPercent), memoryMb: Math.round(memoryMb) })
    const agentMetadata = { worker: process.pid, node: process.version, attempt: started.attempts, retries: task.retryCount }
    const done = await sql.query<RequestRow>(identity, COMPLETE_REQUEST, [
      identity.tenant, requestId, started.attempts, made.algorithm, made.level, made.output, sha256(made.output), made.output.byteLength,
      Math.round(executionMs), cpuPercent.toFixed(2), memoryMb.toFixed(2), JSON.stringify(agentMetadata), JSON.stringify(made.choice ?? {}),
    ])
    return done.rows[0] === undefined ? await ended(context, requestId) : summary(toRequest(done.rows[0]))
  } catch (error) {
    const final = FINAL.some((code) => isCairnError(error, code))
    if ((!final && task.retryCount < 3) || task.signal.aborted) throw error
    const { code, message } = isCairnError(error) ? error : { code: 'UNKNOWN', message: (error as Error).message }
    await sql.query(identity, FAIL_REQUEST, [identity.tenant, requestId, started.attempts, code, message, Math.round(performance.now() - begun)])
    throw new CairnError('TASK_FAILED', `${code}: ${message}`, { cause: error, details: { requestId, code } })
  }
}

async function perform(context: DomainContext, { input, input_sha256, operation, algorithm_id, level, goal, max_output_bytes, assigned_agent_id }: StartedRow): Promise<Made> {
  if (sha256(input).toString('hex') !== input_sha256) throw new CairnError('CONSISTENCY_VIOLATION', 'The input is not what was stored: its SHA-256 differs.')
  if (operation === 'decompress') {
    const algorithm = algorithm_id as CompressionAlgorithmId
    return { algorithm, level: null, output: await restoreTimed(context, algorithm, () => CODECS[algorithm].decompress(input, max_output_bytes)), choice: undefined }
  }
  if (algorithm_id !== null) return { ...(await compressed(context, input, algorithm_id, level ?? 0)), choice: undefined }
  const choice = await chooseByMeasurement(context, input, goal, await algorithmsOf(context, assigned_agent_id))
  await ensureAlgorithms(context, [choice.algorithm])
  return { ...(await compressed(context, input, choice.algorithm, choice.level)), choice }
}

async function compressed(context: DomainContext, input: Uint8Array, algorithm: CompressionAlgorithmId, level: number): Promise<Omit<Made, 'choice'>> {
  const { data } = await compressTimed(context, input, algorithm, level)
  if (data.byteLength > MAX_REQUEST_OUTPUT) throw new CairnError('PAYLOAD_TOO_LARGE', `output: ${data.byteLength} bytes are more than the limit of ${MAX_REQUEST_OUTPUT}.`)
  return { algorithm, level, output: data }
}

async function algorithmsOf({ sql, identity }: DomainContext, agentId: string | null): Promise<CompressionAlgorithmId[] | undefined> {
  if (agentId === null) return undefined
  const { rows } = await sql.query<{ algorithm_id: CompressionAlgorithmId }>(identity, AGENT_ALGORITHMS, [identity.tenant, agentId])
  return rows.length === 0 ? undefined : rows.map((row) => row.algorithm_id)
}

async function ended({ sql, identity }: DomainContext, requestId: string): Promise<Record<string, unknown>> {
  const { rows } = await sql.query<RequestRow>(identity, SELECT_REQUEST, [identity.tenant, requestId])
  if (rows[0] === undefined) throw new CairnError('TASK_FAILED', requestNotFound(requestId).message)
  return summary(toRequest(rows[0]))
}

function summary({ id, status, algorithm, inputBytes, outputBytes, ratio }: CompressionRequest): Record<string, unknown> {
  return { requestId: id, status, algorithm, inputBytes, outputBytes, ratio }
}
