// One real DataStore client with the commands a test gives it. Runs in Node and in the browser alike:
// arguments and results are plain JSON, and whoever hosts it supplies library, wire and offline switch.
import { providers } from './identity.mjs';
import { predicate } from './predicates.mjs';

/** How long nothing may happen before a device gives up waiting. */
const PATIENCE_MS = 90_000;
const META = new Set(['createdAt', 'updatedAt', '_version', '_lastChangedAt', '_deleted']);

const plain = (model) => (model ? JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(model)))) : null);
const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
const matches = (record, wanted) => Object.entries(wanted).every(([name, value]) => same(record[name], value));

export class Device {
  #library;
  #models;
  #schema;
  #wire;
  #watchers = new Set();
  #writes = 0;
  /** DataStore's Hub events in order: `{ event, data }`. */
  #history = [];
  #conflicts = [];
  #errors = [];

  /** Whoever uses the device; nobody at first unless the settings name tokens. */
  #user;

  /**
   * `settings`: endpoint, apiKey, and optionally sync (model → predicate), syncPageSize, conflict: 'mine', and
   * multiAuth: try the modes of a model's rules one after another, with the `tokens` of a user.
   */
  constructor({ library, schema, settings, wire }) {
    this.#library = library;
    this.#schema = schema;
    this.#wire = wire;
    this.#models = library.initSchema(schema);
    this.#user = { tokens: settings.tokens };
    this.#listen();
    this.#configure(settings);
  }

  // --- life ---------------------------------------------------------------------------------------------------

  async start() {
    const mark = this.#history.length;
    // In Node this resolves after the first sync; a sync that never ends is caught by the condition.
    this.#library.DataStore.start().catch((error) => this.failed(error));
    await this.#until('ready', () => this.#history.slice(mark).some(({ event }) => event === 'ready'));
  }

  async stop() {
    await this.#library.DataStore.stop();
  }

  async clear() {
    await this.#library.DataStore.clear();
  }

  /** Another user, or nobody, from the next request on. */
  signIn(tokens) {
    this.#user.tokens = tokens;
  }

  // --- records ------------------------------------------------------------------------------------------------

  async save(model, fields) {
    const Model = this.#models[model];
    this.#writes += 1;
    return plain(await this.#library.DataStore.save(new Model(await this.#linked(fields))));
  }

  async saveAll(model, list) {
    for (const fields of list) await this.save(model, fields);
  }

  async update(model, key, changes) {
    const current = await this.#existing(model, key);
    const values = await this.#linked(changes);
    this.#writes += 1;
    const copy = this.#models[model].copyOf(current, (draft) => void Object.assign(draft, values));
    return plain(await this.#library.DataStore.save(copy));
  }

  async delete(model, key) {
    const current = await this.#existing(model, key);
    this.#writes += 1;
    await this.#library.DataStore.delete(current);
  }

  async get(model, key) {
    return plain(await this.#find(model, key));
  }

  async list(model, where) {
    const records = await this.#library.DataStore.query(this.#models[model], predicate(where));
    return records.map(plain);
  }

  /** What a relation of a record leads to, loaded through the client's own lazy relations. */
  async related(model, key, field) {
    const value = await (await this.#existing(model, key))[field];
    if (value && Symbol.asyncIterator in value) return (await value.toArray()).map(plain);
    return plain(value);
  }

  /** Every record of every synced model, sorted by key: two devices have converged when these are equal. */
  async dump() {
    const dump = {};
    for (const [name, { syncable }] of Object.entries(this.#schema.models)) {
      if (!syncable) continue;
      const key = (record) => JSON.stringify(this.#keyFields(name).map((field) => record[field]));
      dump[name] = (await this.list(name)).sort((a, b) => (key(a) < key(b) ? -1 : 1));
    }
    return dump;
  }

  // --- conditions ---------------------------------------------------------------------------------------------

  /** Waits until the record is here with these field values. */
  async sees(model, key, wanted = {}) {
    let last;
    await this.#until(
      () => `${model} ${JSON.stringify(key)} with ${JSON.stringify(wanted)}, has ${JSON.stringify(last)}`,
      async () => (last = await this.get(model, key)) && matches(last, wanted),
    );
    return last;
  }

  /** Waits until the record is not (or no longer) here. */
  async misses(model, key) {
    await this.#until(`no ${model} ${JSON.stringify(key)}`, async () => !(await this.#find(model, key)));
  }

  async counts(model, count) {
    let last;
    await this.#until(
      () => `${count} of ${model}, has ${last}`,
      async () => (last = (await this.list(model)).length) === count,
    );
  }

  /** Waits until every edit made here was answered by the server. */
  async uploaded() {
    await this.#until('an empty outbox', async () => {
      const enqueued = this.#history.filter(({ event }) => event === 'outboxMutationEnqueued').length;
      const status = this.#history.findLast(({ event }) => event === 'outboxStatus');
      return enqueued >= this.#writes && status?.data.isEmpty && (await this.outbox()) === 0;
    });
  }

  /** Waits until this many edits stand in the outbox. */
  async queued(count) {
    await this.#until(`${count} edits in the outbox`, async () => (await this.outbox()) === count);
  }

  /** Waits until the server has sent at least `count` messages of this kind and operation since `mark`. */
  async received(kind, op, count = 1, mark = 0) {
    const some = () => this.#wire.entries.slice(mark).filter((entry) => entry.kind === kind && entry.op === op);
    await this.#until(() => `${count} × ${kind} ${op}, has ${some().length}`, () => some().length >= count);
  }

  /** Waits until an event has brought a record in this version, whether the client takes it or not. */
  async told(op, id, version, mark = 0) {
    const isIt = (entry) => entry.kind === 'event' && entry.op === op && entry.data.id === id && entry.data._version === version;
    await this.#until(`${op} of ${id} in version ${version}`, () => this.#wire.entries.slice(mark).some(isIt));
  }

  /** Waits until the server has answered an operation with this status. */
  async answered(op, status, mark = 0) {
    const isIt = (entry) => entry.kind === 'answer' && entry.op === op && entry.status === status;
    await this.#until(`an answer ${status} to ${op}`, () => this.#wire.entries.slice(mark).some(isIt));
  }

  /** Waits until the client has given up an edit for good and told its error handler so. */
  async gaveUp() {
    await this.#until('an edit given up', () => this.#errors.some(({ process }) => process === 'mutate'));
  }

  /** Waits until all three subscriptions of every model were acknowledged on the current socket. */
  async subscribed() {
    const wanted = 3 * Object.values(this.#schema.models).filter(({ syncable }) => syncable).length;
    const acknowledged = () => {
      const opened = this.#wire.entries.findLastIndex(({ kind, state }) => kind === 'socket' && state === 'open');
      return this.#wire.entries.slice(opened).filter(({ type }) => type === 'start_ack').length;
    };
    await this.#until(() => `${wanted} subscriptions, has ${acknowledged()}`, () => acknowledged() >= wanted);
  }

  // --- what happened ------------------------------------------------------------------------------------------

  async outbox() {
    const { storage, sync } = this.#library.DataStore;
    return (await storage.query(sync.modelClasses.MutationEvent)).length;
  }

  history(mark = 0) {
    return this.#history.slice(mark);
  }

  conflicts() {
    return this.#conflicts;
  }

  errors() {
    return this.#errors;
  }

  failed(error) {
    this.#errors.push({ message: String(error?.stack ?? error) });
  }

  // --- the wire -----------------------------------------------------------------------------------------------

  wire(mark = 0) {
    return this.#wire.entries.slice(mark);
  }

  /** The place in the wire's record from which a test wants to look at what follows. */
  mark() {
    return this.#wire.entries.length;
  }

  /** Holds back the server's answers; see `letThrough` and `release`. */
  hold() {
    this.#wire.hold();
  }

  letThrough() {
    this.#wire.letThrough();
  }

  release() {
    this.#wire.release();
  }

  /** Holds back the subscriptions: the first sync comes before them, as on a slow network (`client-js` 12.4). */
  holdStarts() {
    this.#wire.holdStarts();
  }

  releaseStarts() {
    this.#wire.releaseStarts();
  }

  // --- inside -------------------------------------------------------------------------------------------------

  #listen() {
    const changed = () => this.#watchers.forEach((wake) => wake());
    this.#wire.onEntry(changed);
    this.#library.Hub.listen('datastore', ({ payload: { event, data } }) => {
      this.#history.push({ event, data: this.#eventData(data) });
      changed();
    });
  }

  #eventData(data = {}) {
    const { model, element, ...rest } = data;
    return { ...rest, ...(model && { model: model.name }), ...(element && { element: plain(element) }) };
  }

  #configure({ endpoint, apiKey, sync = {}, syncPageSize, conflict, multiAuth }) {
    const { Amplify, AuthModeStrategyType, DataStore, syncExpression } = this.#library;
    const api = { GraphQL: { endpoint, apiKey, region: 'us-east-1', defaultAuthMode: 'apiKey' } };
    Amplify.configure({ API: api }, multiAuth && providers(this.#user));
    DataStore.configure({
      ...(multiAuth && { authModeStrategyType: AuthModeStrategyType.MULTI_AUTH }),
      errorHandler: ({ message, errorType, model, operation, process }) =>
        this.#errors.push({ message, errorType, model, operation, process }),
      syncExpressions: Object.entries(sync).map(([model, where]) =>
        syncExpression(this.#models[model], () => predicate(where)),
      ),
      ...(syncPageSize && { syncPageSize }),
      ...(conflict === 'mine' && { conflictHandler: (conflict) => this.#mineWins(conflict) }),
    });
  }

  /** A conflict handler as an application would write it: my edit, laid over the server's record. */
  #mineWins({ modelConstructor, localModel, remoteModel, operation, attempts }) {
    const model = modelConstructor.name;
    this.#conflicts.push({ model, operation, attempts, local: plain(localModel), remote: plain(remoteModel) });
    const fixed = new Set([...META, ...this.#keyFields(model)]);
    const mine = Object.entries(localModel).filter(([name, value]) => value != null && !fixed.has(name));
    return modelConstructor.copyOf(remoteModel, (draft) => void Object.assign(draft, Object.fromEntries(mine)));
  }

  #keyFields(model) {
    const primary = this.#schema.models[model].attributes.find(({ type, properties }) => type === 'key' && !properties.name);
    return primary?.properties.fields ?? ['id'];
  }

  #find(model, key) {
    return this.#library.DataStore.query(this.#models[model], key);
  }

  async #existing(model, key) {
    const record = await this.#find(model, key);
    if (!record) throw new Error(`${model} ${JSON.stringify(key)} is not on this device`);
    return record;
  }

  /** Replaces `{ link: [model, key] }` by the record itself: relations are saved as objects. */
  async #linked(fields) {
    const entries = Object.entries(fields).map(async ([name, value]) => [
      name,
      Array.isArray(value?.link) ? await this.#existing(...value.link) : value,
    ]);
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Looks again at every event and message, and now and then for changes nobody announces. */
  async #until(what, holds) {
    let deadline = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`waited in vain for ${typeof what === 'string' ? what : what()}`);
      // As long as something happens, a slow machine is no reason to give up.
      if (await this.#happens(50)) deadline = Date.now() + PATIENCE_MS;
    }
  }

  /** Whether an event or message comes within this time. */
  #happens(milliseconds) {
    const watchers = this.#watchers;
    return new Promise((tell) => {
      const timer = setTimeout(() => done(false), milliseconds);
      const happened = () => done(true);
      watchers.add(happened);
      function done(answer) {
        clearTimeout(timer);
        watchers.delete(happened);
        tell(answer);
      }
    });
  }
}
