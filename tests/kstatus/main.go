// Kstatus prints what the kstatus library makes of objects: for each JSON object on standard
// input one line, the verdict that Flux and others that use the library would show.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	objects := json.NewDecoder(os.Stdin)
	for {
		var object map[string]any
		if err := objects.Decode(&object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		// Numbers as Kubernetes' own decoder reads them: generations are int64.
		text, err := json.Marshal(object)
		if err != nil {
			log.Fatal(err)
		}
		var known unstructured.Unstructured
		if err := known.UnmarshalJSON(text); err != nil {
			log.Fatal(err)
		}
		result, err := status.Compute(&known)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Status)
	}
}
