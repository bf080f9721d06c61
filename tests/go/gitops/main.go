// gitops says what GitOps tools make of an object, by their own code: Argo CD's Lua, Flux's CEL, kstatus.
//
// Each line of its input is one question as JSON; each line of its output is the answer to it, or an error.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

type question struct {
	Ask    string                            `json:"ask"`
	Object *unstructured.Unstructured        `json:"object"`
	Script string                            `json:"script"`
	Checks *kustomize.HealthCheckExpressions `json:"checks"`
}

type answer struct {
	Answer any    `json:"answer"`
	Error  string `json:"error"`
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<24)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var asked question
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		found, err := judge(asked)
		told := answer{Answer: found}
		if err != nil {
			told.Error = err.Error()
		}
		if err := output.Encode(told); err != nil {
			log.Fatal(err)
		}
	}
}

func judge(asked question) (any, error) {
	switch asked.Ask {
	case "lua":
		return run(asked.Script, asked.Object.Object)
	case "flux":
		evaluator, err := cel.NewStatusEvaluator(asked.Checks)
		if err != nil {
			return nil, err
		}
		return named(evaluator.Evaluate(context.Background(), asked.Object))
	case "kstatus":
		return named(status.Compute(asked.Object))
	}
	return nil, fmt.Errorf("nobody is asked for %q here", asked.Ask)
}

func named(found *status.Result, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return found.Status.String(), nil
}

// run gives what a script returns that finds the object as `obj`, in a machine like Argo CD's: one second, tables, the
// clock by require("os"), and nothing else of the standard library, as for scripts of argocd-cm without `useOpenLibs`.
func run(script string, object map[string]any) (any, error) {
	machine := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer machine.Close()
	for _, open := range []lua.LGFunction{lua.OpenPackage, lua.OpenBase, lua.OpenTable} {
		machine.Push(machine.NewFunction(open))
		machine.Call(0, 0)
	}
	machine.PreloadModule(lua.OsLibName, func(machine *lua.LState) int {
		machine.Push(machine.SetFuncs(machine.NewTable(), map[string]lua.LGFunction{"time": now}))
		return 1
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	machine.SetContext(ctx)
	machine.SetGlobal("obj", luajson.DecodeValue(machine, plain(object)))
	if err := machine.DoString(script); err != nil {
		return nil, err
	}
	text, err := luajson.Encode(machine.Get(-1))
	return json.RawMessage(text), err
}

// plain has all numbers as JSON has them, since the machine knows no others.
func plain(object map[string]any) any {
	var found any
	text, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		log.Fatal(err)
	}
	return found
}

func now(machine *lua.LState) int {
	machine.Push(lua.LNumber(time.Now().Unix()))
	return 1
}
