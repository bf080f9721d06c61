-- The health of every kind of iotsec.dev: what its conditions say, once they are about the spec as it is now.
local function conditions_of(object)
  local found = {}
  for _, condition in ipairs((object.status or {}).conditions or {}) do
    if condition.observedGeneration == object.metadata.generation then
      found[condition.type] = condition
    end
  end
  return found
end

local function health_of(object)
  if object.metadata.deletionTimestamp ~= nil then
    return "Progressing", "being cut off before it goes"
  end
  if (object.status or {}).observedGeneration ~= object.metadata.generation then
    return "Progressing", "the operator has not looked at this spec yet"
  end
  local found = conditions_of(object)
  local ready, stalled, rotating = found.Ready, found.Stalled, found.Rotating
  if stalled ~= nil and stalled.status == "True" then
    return "Degraded", stalled.message
  end
  if ready == nil then
    return "Progressing", "the operator has not looked at this spec yet"
  end
  if ready.status == "True" then -- also while something is replaced: what was there before works on
    if rotating ~= nil and rotating.status == "True" then
      return "Healthy", rotating.message
    end
    return "Healthy", ready.message
  end
  if found.Reconciling ~= nil and found.Reconciling.status == "True" then
    return "Progressing", ready.message
  end
  if ready.reason == "Suspended" then -- said once every server refuses it, not when it is asked for
    return "Suspended", ready.message
  end
  return "Degraded", ready.message
end

local status, message = health_of(obj)
return { status = status, message = message }
