import * as z from 'zod'
import { text } from '../../checks/index.ts'
import { entityName, entityType, predicateName } from './input.ts'

const MOST = 1000
const observation = text(0, 20_000)
const observations = z.array(observation).max(MOST)

export const graphEntities = z.array(z.strictObject({ name: entityName, entityType, observations })).max(MOST)
export const graphRelations = z.array(z.strictObject({ from: entityName, to: entityName, relationType: predicateName })).max(MOST)
export const graphToMerge = z.strictObject({ entities: graphEntities, relations: graphRelations })
export const addedObservations = z.array(z.strictObject({ entityName, contents: observations })).max(MOST)
export const deletedObservations = z.array(z.strictObject({ entityName: text(0, 255), observations })).max(MOST)
export const graphNames = z.array(text(0, 255)).max(MOST)
export const deletedRelations = z.array(z.strictObject({ from: text(0, 255), to: text(0, 255), relationType: text(0, 255) })).max(MOST)
export const graphQuery = text(0, 10_000)
