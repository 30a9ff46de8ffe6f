// A device as a page: `openDevice` makes it from settings, afterwards `device` takes the commands.
import { Amplify } from 'aws-amplify';
import { AuthModeStrategyType, DataStore, initSchema, syncExpression } from 'aws-amplify/datastore';
import { Hub } from 'aws-amplify/utils';
import { Device } from './device.mjs';
import { Wire } from './wire.mjs';

const wire = new Wire(window);

window.openDevice = (schema, settings) => {
  const library = { Amplify, AuthModeStrategyType, DataStore, Hub, initSchema, syncExpression };
  const device = new Device({ library, schema, settings, wire });
  window.addEventListener('unhandledrejection', ({ reason }) => device.failed(reason));
  window.addEventListener('error', ({ error }) => device.failed(error));
  window.device = device;
};
