// What the package offers.

export type { Accepted, Answer, Event, ItemOf, LiveItem, NewItem, PageBody, ScheduleItem, Tab } from "./answer.js";
export { Client, type Asked, type Options } from "./client.js";
export { EventQueue, type QueueOptions, type Tracked } from "./event_queue.js";
export { List } from "./list.js";
export type { Clock, Fetch, FetchInit, Page, Platform, Reply, Storage } from "./platform.js";
export { SinsangError, type Failure, type Problem, type ProblemStatus } from "./problem.js";
