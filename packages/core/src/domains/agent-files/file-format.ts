type JsonObject = Record<string, unknown>

export const FILE_KIND = 'agent-file'
export const FILE_VERSION = 1

/** The fields of a registry row that a file carries. */
export const AGENT_FIELDS = [
  'name', 'key', 'type', 'deploymentKind', 'specialization', 'description', 'softwareVersion', 'skills', 'configuration', 'metadata', 'claudeCliConfig',
  'compressionPriority', 'endpointUrl', 'healthCheckUrl', 'healthCheckIntervalSeconds', 'maxConcurrentRequests', 'timeoutSeconds', 'maxRetries',
] as const

/** One line of a file is a JSON object with exactly one of these properties, in this order of kinds. docs/reference/checkpoints.md describes them. */
export interface FileLines {
  readonly cairn: { readonly kind: typeof FILE_KIND; readonly version: number; readonly exportedAt: string }
  readonly agent: JsonObject & { readonly name: string; readonly key: string; readonly type: string }
  readonly capability: { readonly name: string; readonly version: string; readonly parameters: JsonObject; readonly enabled: boolean }
  readonly dependency: { readonly dependsOn: string; readonly kind: string }
  readonly value: { readonly hash: string; readonly value: unknown }
  readonly checkpoint: FileCheckpoint
  readonly state: FileState
  readonly end: { readonly lines: number; readonly sha256: string }
}

export interface FileCheckpoint {
  readonly id: string
  readonly name: string | null
  readonly trigger: string
  readonly metadata: JsonObject
  readonly tags: readonly string[]
  readonly keyCount: number
  readonly checksum: string
  readonly createdAt: string
  /** Hash by key of what differs from the checkpoint in the line before; null for a key that is gone. As pairs, since any text may be a key. */
  readonly changed: readonly (readonly [key: string, hash: string | null])[]
}

/** A later line of the same key counts. */
export type FileState =
  | { readonly key: string; readonly value: unknown; readonly revision: number; readonly updatedAt: string; readonly expiresAt: string | null }
  | { readonly key: string; readonly deleted: true }

export const LINE_KINDS = ['cairn', 'agent', 'capability', 'dependency', 'value', 'checkpoint', 'state', 'end'] as const
export type LineKind = (typeof LINE_KINDS)[number]

export type FileLine = { [Kind in LineKind]: { readonly kind: Kind; readonly body: FileLines[Kind] } }[LineKind]

/** Where each kind may stand: values come before the checkpoint that needs them, so both share a place. */
export const PLACE: Readonly<Record<LineKind, number>> = { cairn: 0, agent: 1, capability: 2, dependency: 3, value: 4, checkpoint: 4, state: 5, end: 6 }
