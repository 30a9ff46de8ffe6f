// Real issuers, real signers and the real API client in every mode, over HTTP and on sockets.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import aws4 from 'aws4';
import { Caller } from '../lib/caller.mjs';
import { OpenIdProvider, UserPool, startAuthorizer } from '../lib/issuers.mjs';
import { Server } from '../lib/server.mjs';
import { temporaryDirectory } from '../lib/temporary.mjs';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const SCHEMA = `
type Note @model @auth(rules: [
  { allow: public }, { allow: private }, { allow: private, provider: oidc },
  { allow: private, provider: iam }, { allow: custom }
]) { id: ID! text: String! }
type Diary @model @auth(rules: [{ allow: owner }, { allow: groups, groups: ["Admin"] }]) { id: ID! text: String! }`;
const CREATE = 'mutation Create($input: CreateNoteInput!) { createNote(input: $input) { id text _version _deleted _lastChangedAt createdAt updatedAt } }';
const LIST = '{ listNotes { items { id text } } }';
const ON_CREATE = 'subscription { onCreateNote { id text } }';
const CREDENTIALS = { accessKeyId: 'AKTEST', secretAccessKey: 'the-secret-of-tests', sessionToken: 'the-session-of-tests' };

/** An application whose tokens last a moment. */
let hasty;
let pool, provider, authorizer, server;

before(async () => {
  [pool, provider, authorizer] = await Promise.all([UserPool.start(), OpenIdProvider.start(), startAuthorizer()]);
  await pool.user('alice');
  await pool.user('gina', 'Admin');
  hasty = await pool.application(3);
  const schema = path.join(temporaryDirectory('schema'), 'schema.graphql');
  writeFileSync(schema, SCHEMA);
  server = await Server.start({
    store: 'sqlite',
    schema,
    configuration: `
[auth]
leeway_s = 0
[auth.providers.pool]
type = "user_pool"
issuer = "${pool.issuer}"
client_id_regex = "${pool.clientId}|${hasty}"
[auth.providers.idp]
type = "oidc"
issuer = "${provider.issuer}"
client_id_regex = "app"
[auth.providers.function]
type = "lambda"
target = { http = "${authorizer.url}" }
[auth.providers.signers]
type = "iam"
[[auth.providers.signers.principals]]
access_key = "${CREDENTIALS.accessKeyId}"
secret = "${CREDENTIALS.secretAccessKey}"
session_token = "${CREDENTIALS.sessionToken}"
kind = "authenticated"
`,
  });
});

after(async () => {
  await server?.stop();
  for (const started of [pool, provider, authorizer]) started?.stop();
});

/** Status and body of a request as any program sends it. */
async function ask(headers, query = LIST, variables = {}) {
  const body = JSON.stringify({ query, variables });
  const response = await fetch(server.httpEndpoint, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
  return { status: response.status, type: response.headers.get('x-amzn-errortype'), body: await response.json() };
}

const MODES = {
  userPool: async () => ({ authMode: 'userPool', tokens: await pool.signIn('alice') }),
  oidc: async () => {
    const token = await provider.token();
    return { authMode: 'oidc', tokens: { accessToken: token, idToken: token } };
  },
  iam: async () => ({ authMode: 'iam', credentials: CREDENTIALS }),
  lambda: async () => ({ authMode: 'lambda', authToken: 'tok-carol' }),
};

for (const [mode, identity] of Object.entries(MODES)) {
  test(`the real client reads, writes and listens in ${mode} mode`, async () => {
    const caller = new Caller(server, await identity());
    const text = `from ${mode}`;
    try {
      const listening = await caller.ask(LIST);
      assert.equal(listening.errors, undefined, JSON.stringify(listening));
      await caller.subscribe(ON_CREATE);
      // Writes until the subscription, which says nothing when it is live, hears of one.
      let said;
      const first = caller.first().then((result) => (said = result));
      while (!said) {
        const created = await caller.ask(CREATE, { input: { text } });
        assert.equal(created.errors, undefined, JSON.stringify(created));
        await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 200))]);
      }
      assert.deepEqual(said.failures, []);
      assert.equal(said.heard[0].onCreateNote.text, text);
    } finally {
      caller.close();
    }
  });
}

test('a token of another application of the pool is refused, to the real client too', async () => {
  const tokens = await pool.signIn('alice', await pool.application());
  assert.deepEqual(await ask({ authorization: tokens.accessToken }).then(({ status, type }) => [status, type]), [401, 'UnauthorizedException']);
  const caller = new Caller(server, { authMode: 'userPool', tokens });
  try {
    const answer = await caller.ask(LIST);
    assert.deepEqual(answer.errors, ['Unauthorized']);
    await caller.subscribe(ON_CREATE);
    const { heard, failures } = await caller.first();
    assert.deepEqual(heard, []);
    assert.match(failures[0][0], /Connection failed.*UnauthorizedException/);
  } finally {
    caller.close();
  }
});

test('access and id tokens of a user pool mean the same user, and groups of the pool are groups of rules', async () => {
  const alice = await pool.signIn('alice');
  const create = 'mutation { createDiary(input: {text: "secret"}) { text owner } }';
  const made = await ask({ authorization: alice.accessToken }, create);
  assert.deepEqual(made.body, { data: { createDiary: { text: 'secret', owner: 'alice' } } });
  const list = '{ listDiaries { items { text owner } } }';
  const gina = await pool.signIn('gina');
  for (const token of [alice.accessToken, alice.idToken, gina.accessToken, gina.idToken]) {
    const { body } = await ask({ authorization: token }, list);
    assert.deepEqual(body.data.listDiaries.items, [{ text: 'secret', owner: 'alice' }]);
  }
});

test('a token of a user pool expires', async () => {
  const { accessToken } = await pool.signIn('alice', hasty);
  const said = async () => (await ask({ authorization: accessToken })).body.errors?.[0].message;
  assert.equal(await said(), undefined);
  let message;
  while (!(message = await said())) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(message, 'Token has expired.');
});

/** Sends what a signer signed, over a connection it knows nothing of. */
function send({ method, path: target, headers, body }) {
  const { hostname, port } = new URL(server.httpEndpoint);
  return new Promise((resolve, reject) => {
    const request = http.request({ method, path: target, headers, hostname, port }, async (response) => {
      const chunks = await response.toArray();
      resolve({ status: response.statusCode, type: response.headers['x-amzn-errortype'], body: JSON.parse(Buffer.concat(chunks)) });
    });
    request.on('error', reject).end(body);
  });
}

const SIGNERS = {
  aws4(credentials, body) {
    const { host } = new URL(server.httpEndpoint);
    const request = { service: 'appsync', region: 'us-east-1', method: 'POST', host, path: '/graphql', headers: { 'content-type': 'application/json' }, body };
    return aws4.sign(request, credentials);
  },
  async smithy(credentials, body) {
    const { host, protocol, hostname, port } = new URL(server.httpEndpoint);
    const signer = new SignatureV4({ credentials, region: 'us-east-1', service: 'appsync', sha256: Sha256 });
    const headers = { host, 'content-type': 'application/json' };
    return signer.sign({ method: 'POST', protocol, hostname, port: Number(port), path: '/graphql', headers, query: {}, body });
  },
};

for (const [name, sign] of Object.entries(SIGNERS)) {
  test(`what ${name} signs is taken, and nothing else`, async () => {
    const body = JSON.stringify({ query: LIST });
    const good = await send(await sign(CREDENTIALS, body));
    assert.equal(good.status, 200, JSON.stringify(good));
    assert.ok(Array.isArray(good.body.data.listNotes.items));
    const other = await send({ ...(await sign(CREDENTIALS, body)), body: body.replace('text', 'id  ') });
    assert.deepEqual([other.status, other.type], [403, 'InvalidSignatureException']);
    const wrong = await send(await sign({ ...CREDENTIALS, secretAccessKey: 'x' }, body));
    assert.deepEqual([wrong.status, wrong.type], [403, 'InvalidSignatureException']);
    const stranger = await send(await sign({ ...CREDENTIALS, accessKeyId: 'AKOTHER' }, body));
    assert.deepEqual([stranger.status, stranger.type], [403, 'UnrecognizedClientException']);
    const noSession = await send(await sign({ ...CREDENTIALS, sessionToken: undefined }, body));
    assert.deepEqual([noSession.status, noSession.type], [403, 'UnrecognizedClientException']);
  });
}
