-- SPDX-License-Identifier: Apache-2.0
-- Each request pulls the manifest of a tag drawn from v0000001 .. v<count>. Arguments: repository,
-- count.
local repository, count

function init(arguments)
  repository, count = arguments[1], tonumber(arguments[2])
end

function request()
  local path = string.format("/v2/%s/manifests/v%07d", repository, math.random(count))
  return wrk.format("GET", path)
end
