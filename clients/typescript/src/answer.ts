// Questions and answers, as types that follow from the contract (www/openapi.json) by path.

import type { components, paths } from "./contract.js";

type Schemas = components["schemas"];
type Get<Path extends keyof paths> = paths[Path] extends { get: infer Operation } ? Operation : never;

/** The parameters of a path. */
export type Query<Path extends keyof paths> =
  Get<Path> extends { parameters: { query?: infer Parameters } } ? NonNullable<Parameters> : never;

/** The body of a path's answer. */
export type Body<Path extends keyof paths> =
  Get<Path> extends { responses: { 200: { content: { "application/json": infer Content } } } } ? Content : never;

/** A page of a list. */
export interface PageBody<Item> {
  items: Item[];
  next_cursor: string | null;
  interrupted?: true;
}

/** The items of a list's page. */
export type ItemOf<Path extends keyof paths> = Body<Path> extends { items: (infer Item)[] } ? Item : never;

/** A product of the new-product tab. */
export type NewItem = Schemas["NewItem"];
/** A broadcast on air. */
export type LiveItem = Schemas["LiveItem"];
/** A top tab. */
export type Tab = Schemas["Tab"];
/** A broadcast of the schedule. */
export type ScheduleItem = ItemOf<"/v1/schedule">;
/** What a viewer did. */
export type Event = Schemas["Event"];
/** The answer to a batch of events. */
export type Accepted = Schemas["Accepted"];

/** An answer, and whether it is an earlier one because there is none at present. */
export interface Answer<Data> {
  data: Data;
  /** Whether the server did not answer, so that this is what it answered at `atMs`. */
  isStale: boolean;
  /** When the server last vouched for it, by this machine's clock. */
  atMs: number;
}
