// Who uses a device: the providers Amplify asks for tokens and credentials, without a sign-in of their own.

const payload = (token) => JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
const wrapped = (token) => ({ toString: () => token, payload: payload(token) });

/** What `Amplify.configure` takes as its second argument; `current` may change at any time. */
export function providers(current) {
  return {
    Auth: {
      tokenProvider: {
        async getTokens() {
          const { accessToken, idToken } = current.tokens ?? {};
          return accessToken ? { accessToken: wrapped(accessToken), idToken: wrapped(idToken ?? accessToken) } : null;
        },
      },
      credentialsProvider: {
        async getCredentialsAndIdentityId() {
          return current.credentials ? { credentials: current.credentials, identityId: 'local:identity' } : undefined;
        },
        clearCredentialsAndIdentityId() {},
      },
    },
  };
}
