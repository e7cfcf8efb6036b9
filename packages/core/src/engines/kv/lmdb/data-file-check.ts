import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { CairnError } from '../../../errors/index.ts'

const MAGIC = 0xbeefc0de
const PAGE_HEADER = 24
const META_BYTES = 0x90
const FLAG_BRANCH = 0x01
const FLAG_LEAF = 0x02
const FLAG_META = 0x08
const NO_ROOT = 0xffffffffffffffffn

interface Meta {
  readonly pageSize: number
  readonly roots: readonly bigint[]
  readonly transaction: bigint
}

/**
 * Throws DATA_DIR_CORRUPT when `file` is not an LMDB data file: LMDB maps the file into memory, and damaged
 * page numbers would end the process instead of raising an error. Checks both meta pages and the root pages
 * they lead to; damage deeper in the file is found when it is read. A missing or empty file is a new one.
 */
export function checkDataFile(file: string): void {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  try {
    const { size } = fstatSync(handle)
    if (size === 0) return
    const first = readMeta(handle, 0)
    if (!first) throw corrupt(file, 'it does not begin with an LMDB page')
    const second = readMeta(handle, first.pageSize)
    if (!second) throw corrupt(file, 'its second header page is damaged')
    const meta = second.transaction > first.transaction ? second : first
    for (const root of meta.roots) {
      if (root !== NO_ROOT && !isTreePage(handle, root, meta.pageSize, size)) throw corrupt(file, `page ${root} is damaged or cut off`)
    }
  } finally {
    closeSync(handle)
  }
}

/** The error for a file that cannot be opened or read as LMDB. */
export function corrupt(path: string, reason: string, cause?: unknown): CairnError {
  return new CairnError('DATA_DIR_CORRUPT', `${path} cannot be opened: ${reason}. Restore it from a backup, or move it away and start with an empty one.`, {
    cause,
    details: { path },
  })
}

function readMeta(handle: number, offset: number): Meta | undefined {
  const page = Buffer.alloc(PAGE_HEADER + META_BYTES)
  if (readSync(handle, page, 0, page.length, offset) < page.length) return undefined
  const pageSize = page.readUInt32LE(0x30)
  const powerOfTwo = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0
  if ((page.readUInt16LE(0x12) & FLAG_META) === 0 || page.readUInt32LE(PAGE_HEADER) !== MAGIC || !powerOfTwo) return undefined
  return { pageSize, roots: [page.readBigUInt64LE(0x58), page.readBigUInt64LE(0x88)], transaction: page.readBigUInt64LE(0x98) }
}

function isTreePage(handle: number, number: bigint, pageSize: number, fileSize: number): boolean {
  const offset = number * BigInt(pageSize)
  if (offset + BigInt(pageSize) > BigInt(fileSize)) return false
  const page = Buffer.alloc(PAGE_HEADER)
  readSync(handle, page, 0, page.length, offset)
  return page.readBigUInt64LE(0) === number && (page.readUInt16LE(0x12) & (FLAG_BRANCH | FLAG_LEAF)) !== 0
}
