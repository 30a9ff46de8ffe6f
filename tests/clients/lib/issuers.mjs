// Real issuers of tokens on free ports of this machine: a Cognito user pool (cognito-local) and an OpenID Connect
// provider (oidc-provider).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import cognito from '@aws-sdk/client-cognito-identity-provider';
import { temporaryDirectory } from './temporary.mjs';

const require = createRequire(import.meta.url);
const PASSWORD = 'Passw0rd!x';

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(url) {
  for (;;) {
    try {
      await fetch(url);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

export class UserPool {
  #process;
  #client;
  #url;

  static async start() {
    const pool = new UserPool();
    const port = await freePort();
    const folder = temporaryDirectory('cognito');
    pool.#url = `http://127.0.0.1:${port}`;
    mkdirSync(path.join(folder, '.cognito'));
    const settings = { UserPoolDefaults: { UsernameAttributes: [] }, TokenConfig: { IssuerDomain: pool.#url } };
    writeFileSync(path.join(folder, '.cognito/config.json'), JSON.stringify(settings));
    const program = path.join(path.dirname(require.resolve('cognito-local/package.json')), 'lib/bin/start.js');
    const env = { ...process.env, HOST: '127.0.0.1', PORT: String(port) };
    pool.#process = spawn(process.execPath, [program], { cwd: folder, env, stdio: 'ignore' });
    process.prependListener('exit', () => pool.stop());
    await answers(pool.#url);
    pool.#client = new cognito.CognitoIdentityProviderClient({
      endpoint: pool.#url,
      region: 'local',
      credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    });
    const { UserPool: made } = await pool.#send('CreateUserPool', { PoolName: 'tests' });
    pool.id = made.Id;
    pool.clientId = await pool.application();
    return pool;
  }

  get issuer() {
    return `${this.#url}/${this.id}`;
  }

  /** Another application of the pool; its tokens last this many seconds. */
  async application(seconds = 3600) {
    const { UserPoolClient } = await this.#send('CreateUserPoolClient', {
      UserPoolId: this.id,
      ClientName: 'tests',
      AccessTokenValidity: seconds,
      IdTokenValidity: seconds,
      TokenValidityUnits: { AccessToken: 'seconds', IdToken: 'seconds' },
    });
    return UserPoolClient.ClientId;
  }

  async user(name, ...groups) {
    const of = { UserPoolId: this.id, Username: name };
    await this.#send('AdminCreateUser', { ...of, MessageAction: 'SUPPRESS' });
    await this.#send('AdminSetUserPassword', { ...of, Password: PASSWORD, Permanent: true });
    for (const group of groups) {
      await this.#send('CreateGroup', { UserPoolId: this.id, GroupName: group });
      await this.#send('AdminAddUserToGroup', { ...of, GroupName: group });
    }
  }

  /** Signs in: `{ accessToken, idToken }`. */
  async signIn(name, clientId = this.clientId) {
    const { AuthenticationResult } = await this.#send('InitiateAuth', {
      ClientId: clientId,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME: name, PASSWORD },
    });
    return { accessToken: AuthenticationResult.AccessToken, idToken: AuthenticationResult.IdToken };
  }

  stop() {
    this.#process.kill('SIGKILL');
  }

  #send(command, input) {
    return this.#client.send(new cognito[`${command}Command`](input));
  }
}

export class OpenIdProvider {
  #server;

  static async start() {
    const { default: Provider } = await import('oidc-provider');
    const started = new OpenIdProvider();
    const port = await freePort();
    started.issuer = `http://127.0.0.1:${port}`;
    const provider = new Provider(started.issuer, {
      clients: [{ client_id: 'app', client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'urn:sync',
          getResourceServerInfo: () => ({ scope: 'sync', audience: 'app', accessTokenFormat: 'jwt', accessTokenTTL: 3600 }),
        },
      },
      // A service of its own: the token is about the client.
      extraTokenClaims: () => ({ sub: 'service-1', 'cognito:groups': ['Admin'] }),
    });
    started.#server = createServer(provider.callback()).listen(port, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  async token() {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('app:secret').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'urn:sync', scope: 'sync' }),
    });
    const { access_token: token, ...rest } = await response.json();
    if (!token) throw new Error(JSON.stringify(rest));
    return token;
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** An authorizer function: lets in whoever shows `tok-NAME`. */
export async function startAuthorizer() {
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const { authorizationToken } = JSON.parse(Buffer.concat(chunks));
    const name = authorizationToken.startsWith('tok-') && authorizationToken.slice(4);
    const answer = name ? { isAuthorized: true, resolverContext: { name } } : { isAuthorized: false };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
}
